"""Documents that name what is there, and nothing that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ulak.config import OPTIONS
from ulak.core.accounts import SETTINGS

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("src/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|docs|deploy|benchmarks)/[\w./-]+)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), name


def test_the_map_has_every_module() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for folder in ("core", "store", "service", "workers"):
        for module in (ROOT / "src/ulak" / folder).glob("[a-z]*.py"):
            assert re.search(rf"\b{module.stem}\b", page), f"{folder}/{module.name}"


def test_every_account_setting_is_described() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    for setting in SETTINGS:
        assert f"`{setting}`" in page, setting


def test_every_option_is_described() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    for option in OPTIONS:
        assert f"`{option.upper()}`" in page, option


def test_readme_opens_with_what_it_is_and_the_two_commands() -> None:
    opening = (ROOT / "README.md").read_text("utf-8")[:1200]
    assert "order and delivery server" in opening
    assert "make demo" in opening
    assert "make test" in opening
