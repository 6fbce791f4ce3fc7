"""From a file to validated, explained models: what `caudal models train` does.

    order = Order(path=Path("loans.csv"), purpose=Purpose.CREDIT, name="loans")
    trained = train(order, progress)          # columns, leaks, division, learners, figures
    write(trained, Path("out"))               # model files, report.html, model-card.md

The heavy libraries are the extra `caudal[models]`. What is trained is a model file of `caudal.models`, which
needs none of them but LightGBM's to score.
"""

from caudal.training.describing import Described
from caudal.training.describing import read as read_descriptions
from caudal.training.errors import ColumnUnfit, ColumnUnknown, DataTooSmall, DataUnreadable, TargetUnclear
from caudal.training.histories import Entities
from caudal.training.service import Order, Trained, train
from caudal.training.summary import Summary, summary
from caudal.training.types import Candidate, Division, Figures, Interval, Suspect, Wishes
from caudal.training.writing import Written, write

__all__ = [
    "Candidate",
    "ColumnUnfit",
    "ColumnUnknown",
    "DataTooSmall",
    "DataUnreadable",
    "Described",
    "Division",
    "Entities",
    "Figures",
    "Interval",
    "Order",
    "Summary",
    "Suspect",
    "TargetUnclear",
    "Trained",
    "Wishes",
    "Written",
    "read_descriptions",
    "summary",
    "train",
    "write",
]
