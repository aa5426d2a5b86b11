"""Check the content and show its coverage.

    python -m knowledge_base.check [--all] [TEXT ...]     TEXT: only issues whose line contains it

Errors come first, each with file, line and remedy; exit 1 where there is any.
"""

from __future__ import annotations

import sys

from knowledge_base.build import Content, coverage


def main(arguments: list[str]) -> int:
    """Print issues and coverage; 1 where there are errors."""
    content = Content()
    issues = content.check()
    texts = [argument for argument in arguments if not argument.startswith("--")]
    shown = [issue for issue in issues if not texts or any(text in str(issue) for text in texts)]
    limit = len(shown) if "--all" in arguments or texts else 40
    for issue in shown[:limit]:
        print(issue)
    if len(shown) > limit:
        print(f"… {len(shown) - limit} more (--all shows them)")
    errors = sum(issue.severity == "error" for issue in issues)
    reach = coverage(content)
    print(f"{errors} errors, {len(issues) - errors} warnings")
    for key, value in reach.items():
        print(f"  {key}: {len(value) if isinstance(value, list) else value}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
