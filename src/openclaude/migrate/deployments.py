"""LiteLLM's configuration files as deployments: which name is answered by which model of which provider.

Facts about the files: LiteLLM's documentation of `model_list`, `litellm_params`, `os.environ/NAME`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openclaude.migrate.reasons import ENTRY, SETTINGS, because, is_secret_name
from openclaude.migrate.yamlnodes import Items, Node, Scalar, Table, YamlError
from openclaude.migrate.yamltext import read

ENVIRONMENT = "os.environ/"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not as the file has it.

    Attributes:
        file: its name as given.
        line: 1 for the first line; 0 when no line is meant.
        what: the model or the setting; never a value that may be secret.
        reason: why it is left out, or what it became.
        hint: what to do; empty when nothing has to be done.
        lost: whether a whole model was left out.
    """

    file: str
    line: int
    what: str
    reason: str
    hint: str = ""
    lost: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}: {self.what}: {self.reason}{hint}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of `model_list`.

    Attributes:
        name: what clients call it.
        target: the `model` of `litellm_params`, provider and all.
        values: the other texts of `litellm_params`, environment variables filled in; only what is no secret.
        given: the keys of `litellm_params`, with their lines.
        base_model: the `base_model` of `model_info`, or empty.
    """

    file: str
    line: int
    name: str
    target: str
    values: Mapping[str, str]
    given: Mapping[str, int]
    base_model: str = ""

    def remark(self, reason: str, hint: str = "", *, key: str = "", lost: bool = True) -> Remark:
        """A remark about this deployment, or about one of its keys."""
        what = f'model "{self.name}"' + (f": {key}" if key else "")
        return Remark(self.file, self.given.get(key, self.line), what, reason, hint, lost)


@dataclass(slots=True)
class File:
    """What a file says, and what was not understood of it."""

    name: str
    deployments: list[Deployment] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def read_file(name: str, text: str, env: Mapping[str, str]) -> File:
    """The deployments of a file.

    Args:
        name: the file's name, for messages.
        text: its content.
        env: where `os.environ/NAME` is looked up; variables named like secrets are not.

    Raises:
        YamlError: it cannot be read.
    """
    found = read(text)
    if not isinstance(found, Table) or not isinstance(found.entries.get("model_list"), Items):
        raise YamlError(1, "no `model_list:` with entries", "is it a LiteLLM configuration?")
    file = File(name)
    for key, node in found.entries.items():
        if key == "model_list" and isinstance(node, Items):
            for entry in node.nodes:
                _deployment(file, entry, env)
        else:
            _settings(file, key, node, found.lines[key])
    return file


def _settings(file: File, section: str, node: Node, line: int) -> None:
    """A remark for each setting beside the models; for those that openClaude keeps by its nature, none."""
    places = node.lines if isinstance(node, Table) else {"": line}
    for key, place in places.items():
        name = f"{section}.{key}" if key else section
        told = because(SETTINGS, section, key)
        if told is not None:
            file.remarks.append(Remark(file.name, place, name, *told))


def _deployment(file: File, entry: Node, env: Mapping[str, str]) -> None:
    fields = entry.entries if isinstance(entry, Table) else {}
    params = fields.get("litellm_params")
    name, target = (
        fields.get("model_name"),
        params.entries.get("model") if isinstance(params, Table) else None,
    )
    if not (isinstance(params, Table) and isinstance(name, Scalar) and isinstance(target, Scalar)):
        reason = "has no model_name, or no litellm_params with a model"
        file.remarks.append(Remark(file.name, entry.line, "an entry of model_list", reason, lost=True))
        return
    values: dict[str, str] = {}
    for key, node in {"model_name": name, **params.entries}.items():
        if isinstance(node, Scalar) and not is_secret_name(key):
            text = _filled(node.text, env)
            if text is not None:
                values[key] = text
            else:
                missing = node.text.removeprefix(ENVIRONMENT)
                reason = f"{key} is the environment variable {missing}, which is not set here or named like a secret"
                remark = Remark(file.name, node.line, f"{key}", reason, "set it and import again", lost=False)
                file.remarks.append(remark)
    if "model" not in values or "model_name" not in values:
        file.remarks.append(
            Remark(file.name, entry.line, "an entry of model_list", "its name is unknown", lost=True)
        )
        return
    info = fields.get("model_info")
    made = Deployment(
        file.name,
        entry.line,
        values.pop("model_name").strip(),
        values.pop("model").strip(),
        values,
        params.lines,
        _base_model(info),
    )
    file.deployments.append(made)
    _report_rest(file, made, info)


def _report_rest(file: File, made: Deployment, info: Node | None) -> None:
    for key, line in made.given.items():
        told = because(ENTRY, key, made.target.partition("/")[0].removesuffix("_converse"))
        if told is not None:
            file.remarks.append(Remark(file.name, line, f'model "{made.name}": {key}', *told))
    for key, line in (info.lines if isinstance(info, Table) else {}).items():
        told = because(ENTRY, "model_info", key)
        if told is not None:
            file.remarks.append(Remark(file.name, line, f'model "{made.name}": model_info.{key}', *told))


def _base_model(info: Node | None) -> str:
    found = info.entries.get("base_model") if isinstance(info, Table) else None
    return found.text.rpartition("/")[2] if isinstance(found, Scalar) else ""


def _filled(text: str, env: Mapping[str, str]) -> str | None:
    """The text, or what the environment variable it names has; None when that is not known or not to be shown."""
    if not text.startswith(ENVIRONMENT):
        return text
    name = text.removeprefix(ENVIRONMENT)
    return None if is_secret_name(name) else env.get(name) or None
