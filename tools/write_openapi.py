"""Write docs/reference/openapi.json anew from the endpoints' declarations; a test holds it current."""

from pathlib import Path

from caudal.api import document_text

PATH = Path(__file__).parent.parent / "docs" / "reference" / "openapi.json"

if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_bytes(document_text())
    print(f"wrote {PATH}")
