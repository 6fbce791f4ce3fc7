import base64
import json
from pathlib import Path
from typing import Any

import pytest

from caudal_base.secret import Secret
from caudal_base.settings import (
    Environment,
    InvalidSettings,
    LogFormat,
    LogLevel,
    PartnerSettings,
    Settings,
    load,
)

URL = "postgresql://caudal:Zr9-kXw2@db.internal/caudal"
SEALING_KEY = base64.b64encode(b"k" * 32).decode()
PRODUCTION = {
    "CAUDAL_ENV": "production",
    "CAUDAL_DATABASE_URL": URL,
    "CAUDAL_LOG_FORMAT": "json",
    "CAUDAL_SEALING_KEY": SEALING_KEY,
}
STRIPE: dict[str, Any] = {
    "connector": "stripe",
    "book": "main",
    "api_key": "sk_live_9fQ2mWx7Lr4T",
    "webhook_secrets": ["whsec_new6uYp1VnK3", "whsec_old8sXc5BzJ2"],
}


def problems_of(environ: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load(environ, file=file)
    assert caught.value.detail == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "caudal.toml"


def test_without_anything_set_the_defaults_suit_a_developers_machine() -> None:
    assert load({"PATH": "/bin"}) == Settings()
    assert Settings().env is Environment.DEVELOPMENT
    assert Settings().database_url is None
    assert Settings().host == "127.0.0.1"


def test_every_setting_can_come_from_the_environment() -> None:
    environ = {
        "CAUDAL_ENV": "production",
        "CAUDAL_DATABASE_URL": URL,
        "CAUDAL_DATA_DIR": "/srv/caudal",
        "CAUDAL_HOST": "0.0.0.0",
        "CAUDAL_PORT": "8443",
        "CAUDAL_LOG_LEVEL": "warning",
        "CAUDAL_LOG_FORMAT": "json",
        "CAUDAL_TRACE_EXPORTER": "https://collector.internal/v1/traces",
        "CAUDAL_API_PROCESSES": "4",
        "CAUDAL_WORKER_PROCESSES": "3",
        "CAUDAL_WORKER_METRICS_PORT": "9100",
        "CAUDAL_POOL_SIZE": "20",
        "CAUDAL_STATEMENT_TIMEOUT_MS": "5000",
        "CAUDAL_LOCK_TIMEOUT_MS": "1000",
        "CAUDAL_MAX_BODY_BYTES": "1048576",
        "CAUDAL_REQUESTS_PER_SECOND": "500",
        "CAUDAL_REQUEST_BURST_S": "5",
        "CAUDAL_DRAIN_NOTICE_S": "15",
        "CAUDAL_LONG_READS": "4",
        "CAUDAL_QUEUE_LIMIT": "100",
        "CAUDAL_PARKED_WEBHOOK_DAYS": "30",
        "CAUDAL_SEALING_KEY": SEALING_KEY,
        "CAUDAL_WEBHOOK_LOG_DAYS": "7",
        "CAUDAL_WEBHOOK_DISABLE_DAYS": "3",
        "CAUDAL_PARTNERS": json.dumps({"stripe": STRIPE}),
    }
    assert {f"CAUDAL_{name.upper()}" for name in Settings.__struct_fields__} == environ.keys()
    assert load(environ) == Settings(
        env=Environment.PRODUCTION,
        database_url=Secret(URL),
        data_dir=Path("/srv/caudal"),
        host="0.0.0.0",
        port=8443,
        log_level=LogLevel.WARNING,
        log_format=LogFormat.JSON,
        trace_exporter="https://collector.internal/v1/traces",
        api_processes=4,
        worker_processes=3,
        worker_metrics_port=9100,
        pool_size=20,
        statement_timeout_ms=5000,
        lock_timeout_ms=1000,
        max_body_bytes=1048576,
        requests_per_second=500,
        request_burst_s=5,
        drain_notice_s=15,
        long_reads=4,
        queue_limit=100,
        parked_webhook_days=30,
        sealing_key=Secret(SEALING_KEY),
        webhook_log_days=7,
        webhook_disable_days=3,
        partners={
            "stripe": PartnerSettings(
                connector="stripe",
                book="main",
                api_key=Secret("sk_live_9fQ2mWx7Lr4T"),
                webhook_secrets=[Secret("whsec_new6uYp1VnK3"), Secret("whsec_old8sXc5BzJ2")],
            )
        },
    )


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(toml: Path) -> None:
    toml.write_text('port = 9000\npool_size = 7\nlog_format = "json"\n')
    settings = load({"CAUDAL_CONFIG": str(toml), "CAUDAL_PORT": "9001"})
    assert (settings.port, settings.pool_size, settings.log_format) == (9001, 7, LogFormat.JSON)
    assert settings.host == Settings().host


def test_a_file_given_by_hand_wins_over_the_one_that_the_environment_names(toml: Path) -> None:
    toml.write_text("port = 9000")
    assert load({"CAUDAL_CONFIG": "/nowhere"}, file=toml).port == 9000


def test_an_unknown_variable_is_refused_with_the_name_that_was_meant() -> None:
    assert problems_of({"CAUDAL_DATABSE_URL": URL}) == [
        "CAUDAL_DATABSE_URL is no setting; did you mean CAUDAL_DATABASE_URL?"
    ]
    assert problems_of({"CAUDAL_port": "1"}) == ["CAUDAL_port is no setting; did you mean CAUDAL_PORT?"]
    assert problems_of({"CAUDAL_ZEBRA": "1"}) == ["CAUDAL_ZEBRA is no setting"]


def test_variables_that_are_no_settings_are_left_alone() -> None:
    others = [
        "CAUDAL_CORPUS",
        "CAUDAL_TEST_DATABASE_URL",
        "CAUDAL_API_KEY",
        "CAUDAL_URL",
        "OTHER_PORT",
        "caudal_port",
    ]
    assert load(dict.fromkeys(others, "x")) == Settings()


def test_an_unknown_key_of_the_file_is_refused_with_the_name_that_was_meant(toml: Path) -> None:
    toml.write_text('databse_url = "x"\n[server]\nport = 1\n')
    assert problems_of({}, toml) == [
        f"databse_url in {toml} is no setting; did you mean database_url?",
        f"server in {toml} is no setting",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("CAUDAL_PORT", "0", "CAUDAL_PORT: Expected int >= 1"),
        ("CAUDAL_PORT", "65536", "CAUDAL_PORT: Expected int <= 65535"),
        ("CAUDAL_PORT", "80.0", "CAUDAL_PORT: Expected int | null, got str"),
        ("CAUDAL_PORT", "null", "CAUDAL_PORT: Expected int | null, got str"),
        ("CAUDAL_PORT", " 80", "CAUDAL_PORT: Expected int | null, got str"),
        ("CAUDAL_PORT", "", "CAUDAL_PORT is empty: unset it or give it a value"),
        ("CAUDAL_LOG_LEVEL", "loud", "CAUDAL_LOG_LEVEL: Invalid enum value 'loud'"),
        ("CAUDAL_ENV", "prod", "CAUDAL_ENV: Invalid enum value 'prod'"),
        ("CAUDAL_POOL_SIZE", "many", "CAUDAL_POOL_SIZE: Expected int, got str"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_name(variable: str, value: str, problem: str) -> None:
    assert problems_of({variable: value}) == [problem]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('port = "80"', "port in {}: Expected int | null, got str"),
        ("port = 80.0", "port in {}: Expected int | null, got float"),
        ("host = 5", "host in {}: Expected str, got int"),
        ("data_dir = 5", "data_dir in {}: Expected str"),
        ("database_url = 5", "database_url in {}: Expected str"),
    ],
)
def test_a_value_of_the_file_has_its_own_type(toml: Path, line: str, problem: str) -> None:
    toml.write_text(line)
    assert problems_of({}, toml) == [problem.format(toml)]


def test_a_file_that_cannot_be_read_or_is_no_toml_is_named(toml: Path) -> None:
    assert problems_of({"CAUDAL_CONFIG": str(toml)}) == [f"{toml} cannot be read: No such file or directory"]
    toml.write_text("port: 80")
    assert problems_of({}, toml)[0].startswith(f"{toml} is not TOML: ")
    toml.write_bytes(b'host = "\xff"')
    assert problems_of({}, toml)[0].startswith(f"{toml} is not TOML: ")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problems_of({"CAUDAL_PORT": "x", "CAUDAL_POOL_SIZE": "x", "CAUDAL_HSOT": "x"})) == 3


def test_no_message_and_no_printing_shows_the_databases_password(toml: Path) -> None:
    assert "Zr9-kXw2" not in repr(load(PRODUCTION))
    broken = "postgres//caudal:Zr9-kXw2@db"
    assert problems_of({"CAUDAL_DATABASE_URL": broken}) == [
        "database_url is neither a postgresql:// URL nor a key=value string"
    ]
    toml.write_text('database_url = ["Zr9-kXw2"]')
    assert "Zr9-kXw2" not in str(problems_of({}, toml))


def test_production_with_everything_said_is_accepted() -> None:
    assert load(PRODUCTION).env is Environment.PRODUCTION


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"CAUDAL_DATABASE_URL": None}, "database_url must be set"),
        ({"CAUDAL_LOG_FORMAT": None}, "log_format must be json"),
        ({"CAUDAL_LOG_FORMAT": "console"}, "log_format must be json"),
        ({"CAUDAL_DATABASE_URL": "postgresql://caudal:caudal@db/caudal"}, "a password that everybody knows"),
        ({"CAUDAL_DATABASE_URL": "host=db password=postgres"}, "a password that everybody knows"),
    ],
)
def test_production_refuses_what_only_suits_development(change: dict[str, str | None], problem: str) -> None:
    environ = {name: value for name, value in {**PRODUCTION, **change}.items() if value is not None}
    [said] = problems_of(environ)
    assert problem in said


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def partner_problems(change: dict[str, Any], *, production: bool = False) -> list[str]:
    fields = {name: value for name, value in {**STRIPE, **change}.items() if value is not None}
    environ = {"CAUDAL_PARTNERS": json.dumps({"stripe": fields})}
    return problems_of({**(PRODUCTION if production else {}), **environ})


def test_partners_can_come_from_the_file_with_all_that_can_be_said_of_them(toml: Path) -> None:
    toml.write_text(
        """
        [partners.acme]
        connector = "bank"
        book = "eu"
        url = "https://api.acme.test"
        api_key = "key-1"
        webhook_secrets = ["whsec_1"]
        timeout_ms = 2000
        calls_per_second = 25
        at_once = 4
        key_lifetime_s = 60
        search_horizon_s = 1.5
        poll_after_s = 30
        authorisation_lifetime_s = 3600

        [partners.second]
        connector = "acme.connector:create"
        book = "main"
        api_key = "key-2"
        """
    )
    assert load({}, file=toml).partners == {
        "acme": PartnerSettings(
            connector="bank",
            book="eu",
            url="https://api.acme.test",
            api_key=Secret("key-1"),
            webhook_secrets=[Secret("whsec_1")],
            timeout_ms=2000,
            calls_per_second=25.0,
            at_once=4,
            key_lifetime_s=60.0,
            search_horizon_s=1.5,
            poll_after_s=30.0,
            authorisation_lifetime_s=3600.0,
        ),
        "second": PartnerSettings(connector="acme.connector:create", book="main", api_key=Secret("key-2")),
    }


def test_partners_in_the_variable_replace_all_those_in_the_file(toml: Path) -> None:
    toml.write_text('[partners.acme]\nconnector = "bank"\nbook = "main"\napi_key = "key-1"')
    environ = {"CAUDAL_PARTNERS": json.dumps({"stripe": STRIPE})}
    assert list(load(environ, file=toml).partners) == ["stripe"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stripe", "The body is not JSON"),
        ("[]", "A field has an invalid value"),
        ('{"stripe": {}, "stripe": {}}', "A key is given twice (stripe)"),
        ('{"Stripe": {}}', "a partner's name is lower case, digits and _, at most 32 characters"),
        ('{"a:b": {}}', "a partner's name is lower case, digits and _, at most 32 characters"),
    ],
)
def test_partners_that_cannot_be_read_are_refused(text: str, problem: str) -> None:
    assert problems_of({"CAUDAL_PARTNERS": text}) == [f"CAUDAL_PARTNERS: {problem}"]


def test_partners_of_the_file_must_be_tables(toml: Path) -> None:
    toml.write_text('partners = "stripe"')
    assert problems_of({}, toml) == [f"partners in {toml}: Expected tables, one for each partner"]
    toml.write_text("[partners.acme]\nconnector = 5")
    assert problems_of({}, toml) == [f"acme of partners in {toml}: Expected str, got int - at connector"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"book": None}, "Object missing required field book"),
        ({"api_key": None}, "Object missing required field api_key"),
        ({"timeout": 5}, "Object contains unknown field timeout"),
        ({"timeout_ms": 0}, "Expected int >= 1 - at timeout_ms"),
        ({"at_once": "many"}, "Expected int, got str - at at_once"),
        ({"calls_per_second": 0}, "Expected float > 0.0 - at calls_per_second"),
        ({"api_key": 5}, "Expected str - at api_key"),
        ({"webhook_secrets": "whsec_1"}, "Expected array, got str - at webhook_secrets"),
    ],
)
def test_a_partner_setting_that_does_not_fit_is_refused_with_its_name(
    change: dict[str, Any], problem: str
) -> None:
    assert partner_problems(change) == [f"stripe of CAUDAL_PARTNERS: {problem}"]


@pytest.mark.parametrize(
    "url",
    [
        "api.test",
        "ftp://api.test",
        "https://",
        "https://key@api.test",
        "https://api.test/?a=1",
        "http://h:99999",
    ],
)
def test_a_partners_url_is_an_address_and_nothing_more(url: str) -> None:
    assert partner_problems({"url": url}) == [
        "url of partner stripe must be http:// or https:// and a host, without user or query"
    ]


@pytest.mark.parametrize(
    "change",
    [{"api_key": ""}, {"api_key": "sk live"}, {"api_key": "sk\n"}, {"webhook_secrets": ["schlüssel"]}],
)
def test_a_partners_secret_fits_into_a_header(change: dict[str, Any]) -> None:
    [field] = change
    assert partner_problems(change) == [f"{field} of partner stripe must be printable ASCII without spaces"]


def test_production_accepts_a_partner_with_secrets_of_its_own_over_https_or_on_this_machine() -> None:
    for url in (None, "https://api.test", "http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000"):
        fields = {**STRIPE, **({"url": url} if url else {})}
        environ = {**PRODUCTION, "CAUDAL_PARTNERS": json.dumps({"stripe": fields})}
        assert load(environ).partners["stripe"].url == url


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "http://api.test"}, "url of partner stripe must be https://"),
        ({"url": "http://10.0.0.7"}, "url of partner stripe must be https://"),
        ({"api_key": "sk_test_x"}, "api_key of partner stripe must not be one of an example"),
        ({"api_key": "sk_test_of_the_sandbox"}, "api_key of partner stripe must not be one of an example"),
        ({"webhook_secrets": ["whsec_1"]}, "webhook_secrets of partner stripe must not be one of an example"),
    ],
)
def test_production_refuses_partners_in_the_clear_and_secrets_of_examples(
    change: dict[str, Any], problem: str
) -> None:
    assert partner_problems(change, production=True) == [f"in production {problem}"]


def test_production_refuses_a_partner_whose_webhooks_could_not_be_verified() -> None:
    for change in (
        {"webhook_secrets": None},
        {"webhook_secrets": []},
        {"connector": "bank", "webhook_secrets": []},
    ):
        [said] = partner_problems(change, production=True)
        assert said.startswith("in production webhook_secrets of partner stripe must not be empty")
    bare = {"connector": "acme.connector:create", "webhook_secrets": []}
    for environ, fields in ((PRODUCTION, {**STRIPE, **bare}), ({}, {**STRIPE, "webhook_secrets": []})):
        partners = load({**environ, "CAUDAL_PARTNERS": json.dumps({"stripe": fields})}).partners
        assert partners["stripe"].webhook_secrets == []


def test_no_message_and_no_printing_shows_a_partners_secrets(toml: Path) -> None:
    environ = {**PRODUCTION, "CAUDAL_PARTNERS": json.dumps({"stripe": STRIPE})}
    assert "9fQ2mWx7" not in repr(load(environ))
    assert "new6uYp1" not in repr(load(environ))
    assert "9fQ2mWx7" not in str(problems_of({"CAUDAL_PARTNERS": json.dumps(STRIPE) + "x"}))
    assert "9fQ2mWx7" not in str(partner_problems({"api_key": ["sk_live_9fQ2mWx7Lr4T"]}))
    assert "9fQ2mWx7" not in str(partner_problems({"api_key": "sk_live_9fQ2mWx7 "}))


def test_in_production_there_is_a_key_that_seals() -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != "CAUDAL_SEALING_KEY"}

    assert problems_of(environ) == ["in production sealing_key must be set: `openssl rand -base64 32`"]


@pytest.mark.parametrize("key", ["short", "?" * 44, base64.b64encode(b"k" * 31).decode(), f"{SEALING_KEY},"])
def test_a_key_that_seals_is_32_bytes_in_base64_and_is_in_no_message(key: str) -> None:
    said = problems_of({"CAUDAL_SEALING_KEY": key})

    assert said == ["sealing_key must be 32 bytes in base64, or several of them by commas"]


def test_two_keys_that_seal_may_be_named_while_one_replaces_the_other() -> None:
    both = f"{base64.b64encode(b'n' * 32).decode()},{SEALING_KEY}"

    assert load({"CAUDAL_SEALING_KEY": both}).sealing_key == Secret(both)
