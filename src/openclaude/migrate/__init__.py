"""Moving in from other gateways: their configuration files in, a `config.toml` and a list of what was left behind out.

Node: what a YAML file says, with the line where it says it.
Deployment: one entry of a LiteLLM `model_list`, with its file and line.
Remark: something that is not carried over, or is carried over in another way, with its place and the reason.
"""
