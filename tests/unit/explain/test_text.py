from openclaude.explain.text import readable

ROUTED = {
    "model": "m",
    "normalised": "m",
    "route": "m*",
    "reason": "it matches",
    "decision": "match",
    "kind": "other",
    "needs": None,
    "fallback": [],
}


def test_a_rejection_without_a_route_is_two_lines() -> None:
    reject = {"status": 404, "type": "not_found_error", "message": "no route"}
    assert readable({"reject": reject, "notes": []}) == "rejected with 404 not_found_error:\nno route"


def test_a_local_answer_takes_the_place_of_a_request() -> None:
    shown = {**ROUTED, "upstream": None, "local_answer": {"content": []}, "notes": []}
    assert readable(shown) == (
        "model       m\nroute       m*\nreason      it matches\nkind        other\n\n"
        'answered here, without asking a model:\n{\n  "content": []\n}'
    )


def test_a_body_that_is_text_is_shown_as_it_is() -> None:
    upstream = {"method": "POST", "url": "https://a/b", "headers": {"host": "a"}, "body": "{oops"}
    assert readable({**ROUTED, "upstream": upstream, "notes": []}).endswith(
        "POST https://a/b\nhost: a\n\n{oops"
    )


def test_a_note_without_a_meaning_is_shown_all_the_same() -> None:
    assert readable({"notes": ["brand_new", "top_k_dropped"]}) == (
        "notes\n  brand_new\n  top_k_dropped  this model takes no top_k here"
    )


def test_a_request_that_moved_says_what_its_model_lacks() -> None:
    shown = {**ROUTED, "decision": "unsupported: image", "kind": "main", "needs": "image", "notes": []}
    assert readable(shown) == (
        "model       m\nroute       m*\nreason      it matches\ndecision    unsupported: image\n"
        "kind        main\nneeds       image"
    )


def test_who_is_asked_when_the_route_cannot_answer_is_told_in_order() -> None:
    shown = {**ROUTED, "fallback": ["opus-on-bedrock", "qwen"], "notes": []}
    assert readable(shown).endswith("\nfallback    opus-on-bedrock, then qwen")
