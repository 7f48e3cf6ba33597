from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.gateway.late import LateDialect
from openclaude.ports import Dialect

QWEN = "qwen.qwen3-coder-next"
BODY = b'{"model":"qwen-3-coder","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'


def test_a_dialect_is_built_once_at_its_first_use_and_speaks_for_itself() -> None:
    built: list[Dialect] = []

    def build() -> Dialect:
        built.append(ConverseAdapter(route="r", model_id=QWEN, region="us-west-2", profile=profile_for(QWEN)))
        return built[-1]

    late = LateDialect(build)
    assert built == []
    assert late.count_tokens(BODY).estimate == built[0].count_tokens(BODY).estimate
    assert late.prepare(BODY, request_id="r").body == built[0].prepare(BODY, request_id="r").body
    assert len(built) == 1
