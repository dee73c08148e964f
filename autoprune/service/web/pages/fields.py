"""Fields of forms: the browser's own elements, which keyboards, phones and screen readers know, each with its label."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

Changed = Callable[[str], Any]

# The file goes to the service itself, streamed by the browser; the page hears of it before and after.
_UPLOAD = """async (e) => {
  const field = e.target, file = field.files[0];
  if (!file) return;
  field.disabled = true;
  emit({name: file.name});
  try {
    const answer = await fetch(%s, {method: "POST", headers: {"X-CSRF-Token": %s}, body: file});
    emit({name: file.name, status: answer.status, answer: await answer.json()});
  } catch (error) {
    emit({name: file.name, status: 0, answer: {}});
  }
  field.disabled = false;
  field.value = "";
}"""
_VALUE = "(e) => emit(e.target.value)"
_CHECKED = "(e) => emit(e.target.checked)"


def same(names: Iterable[str]) -> dict[str, str]:
    """Options that are shown by their own names."""
    return {name: name for name in names}


def choice(label: str, options: Mapping[str, str], value: str, changed: Changed) -> Element:
    """One of several; `options` gives each value's text."""
    with _labelled(label), ui.element("select") as field:
        fill_choice(field, options, value)
    field._props["aria-label"] = label  # else what can be chosen would be read out as part of the label
    return field.on("change", _with_text(changed), js_handler=_VALUE)


def fill_choice(field: Element, options: Mapping[str, str], value: str) -> None:
    """Offer other options."""
    field.clear()
    with field:
        for key, text in options.items():
            option = ui.element("option")
            option._props.update({"value": key, **({"selected": True} if key == value else {})})
            option._text = text


def text(label: str, value: str, changed: Changed, **attributes: str) -> Element:
    """A line of text."""
    return _input(label, "text", value, attributes).on("input", _with_text(changed), js_handler=_VALUE)


def number(label: str, value: int, least: int, most: int, changed: Callable[[int], Any]) -> Element:
    """A whole number; what is none is not taken over."""

    def taken(found: str) -> None:
        if found.isdecimal():
            changed(int(found))

    bounds = {"min": str(least), "max": str(most), "step": "1", "inputmode": "numeric"}
    return _input(label, "number", str(value), bounds).on("input", _with_text(taken), js_handler=_VALUE)


def slider(label: str, value: int, least: int, most: int, changed: Callable[[int], Any]) -> Element:
    """A whole number, chosen by sliding."""
    bounds = {"min": str(least), "max": str(most), "step": "1"}
    field = _input(label, "range", str(value), bounds)
    return field.on("input", _with_text(lambda found: changed(int(found))), throttle=0.1, js_handler=_VALUE)


def tick(label: str, value: bool, changed: Callable[[bool], Any]) -> Element:
    """Yes or no."""
    with ui.element("label").classes("tick-field"):
        field = ui.element("input").props("type=checkbox")
        if value:
            field._props["^checked"] = ""
        _span(label)
    return field.on("change", lambda event: changed(bool(event.args)), js_handler=_CHECKED)


def upload(label: str, accept: str, path: str, csrf: str, told: Callable[[Mapping[str, Any]], Any]) -> Element:
    """A file that is sent to the service's `path` as soon as it is chosen.

    `told` hears of it twice: its `name` as it is being sent, and then the `status` of the answer, 0 where none came,
    and the `answer` itself.
    """
    with _labelled(label):
        field = ui.element("input").props("type=file")
    field._props["accept"] = accept
    js = _UPLOAD % (json.dumps(path), json.dumps(csrf))
    return field.on("change", lambda event: told(event.args), js_handler=js)


def button(label: str, pressed: Callable[[], Any], classes: str = "", confirm: str = "") -> Element:
    """A button; with `confirm` the browser asks that first."""
    field = ui.element("button").props("type=button").classes(classes)
    field._text = label
    asked = f"() => {{ if (confirm({confirm!r})) emit() }}" if confirm else "() => emit()"
    return field.on("click", lambda _: pressed(), js_handler=asked)


def _input(label: str, kind: str, value: str, attributes: Mapping[str, str]) -> Element:
    with _labelled(label):
        field = ui.element("input")
    # ^value is what the field begins with; as a property it would overwrite what is being typed.
    field._props.update({"type": kind, "^value": value, **attributes})
    return field


def _labelled(label: str) -> Element:
    frame = ui.element("label").classes("field")
    with frame:
        _span(label)
    return frame


def _span(words: str) -> None:
    span = ui.element("span")
    span._text = words


def _with_text(changed: Changed) -> Callable[[GenericEventArguments], Any]:
    return lambda event: changed(str(event.args))
