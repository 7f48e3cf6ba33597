from openclaude.launcher.variables import GROUPS, PIN_OF, SLOT_VARIABLES, Pin


def test_no_variable_has_two_treatments() -> None:
    names = [name for group in GROUPS for name in group.names]

    assert len(names) == len(set(names)) == len(PIN_OF)


def test_every_group_gives_its_reason() -> None:
    assert all(group.reason and group.names for group in GROUPS)


def test_each_proxy_variable_is_listed_in_both_spellings() -> None:
    proxies = {name for name in PIN_OF if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}}

    assert {name.swapcase() for name in proxies} == proxies
    assert len(proxies) == 6


def test_each_slot_has_a_model_variable() -> None:
    assert {PIN_OF[name] for name in SLOT_VARIABLES.values()} == {Pin.MODEL}


def test_variables_whose_emptiness_breaks_other_programs_are_left_out() -> None:
    assert (
        not {"SSL_CERT_FILE", "SSL_CERT_DIR", "CLAUDE_CONFIG_DIR", "HOME", "TMPDIR", "PATH"} & PIN_OF.keys()
    )
