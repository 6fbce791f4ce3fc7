import pytest

pytest_plugins = ["pytester"]

SKIPS = """
    import pytest

    def test_missing_tool():
        pytest.skip("PostgreSQL 15 is not installed")

    @pytest.mark.skipif(True, reason="only root can prepare this")
    def test_about_root():
        pass

    @pytest.mark.xfail
    def test_known_to_fail():
        assert False

    def test_fine():
        pass
"""

USERS = """
    import pytest

    @pytest.fixture
    def server():
        return "a server"

    @pytest.fixture
    def dsn(server):
        return server

    def test_with_a_database(dsn):
        pass

    def test_without():
        pass
"""


@pytest.fixture(autouse=True)
def quiet(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")


def test_in_ci_a_skip_for_what_is_missing_fails_and_others_do_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SKIPS)
    pytester.runpytest().assert_outcomes(passed=1, skipped=2, xfailed=1)
    result = pytester.runpytest("-p", "pytest_ci")
    result.assert_outcomes(passed=1, skipped=1, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["*skipped in CI, where nothing may be missing: PostgreSQL 15 is not installed"]
    )


def test_in_ci_a_whole_file_must_not_skip_either(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\npytest.skip('lxml is not installed', allow_module_level=True)")
    pytester.runpytest("-p", "pytest_ci").assert_outcomes(errors=1)


def test_with_a_server_given_only_what_uses_it_is_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(USERS)
    monkeypatch.delenv("CAUDAL_TEST_DATABASE_URL", raising=False)
    pytester.runpytest("-p", "pytest_ci").assert_outcomes(passed=2)
    monkeypatch.setenv("CAUDAL_TEST_DATABASE_URL", "host=somewhere")
    pytester.runpytest("-p", "pytest_ci").assert_outcomes(passed=1, deselected=1)
