"""Tab completion for bash.

Hydra's own script knows `python script.py` and installed programs, not `python -m sweep VERB`; this one does, and
leaves finding the keys and groups to Hydra.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.bash_completion import BashCompletion

from sweep.compose import Composer

_INSTALL = r"""_facerec_sweep_complete()
{
    local line="${COMP_LINE:0:$COMP_POINT}" word words helper
    words=($line)
    case "${words[0]##*/}" in
        python*)
            if [ "${words[1]}" != "-m" ] || [ "${words[2]}" != "sweep" ]; then return; fi
            helper=("${words[0]}" -m sweep) ;;
        *) helper=("${words[0]}") ;;
    esac
    word="${line##*[[:space:]]}"
    COMPREPLY=($(compgen -W "$(COMP_LINE="$line" "${helper[@]}" --shell-completion query=bash 2>/dev/null)" -- "$word"))
    # bash replaces only what follows the last word break, and "=" is one
    if [[ "$COMP_WORDBREAKS" == *"="* && "$word" == *"="* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
    fi
}
_facerec_sweep_before="$(complete -p python 2>/dev/null; complete -p python3 2>/dev/null; true)"
complete -o nospace -o default -F _facerec_sweep_complete python python3 facerec-sweep
"""
_UNINSTALL = """complete -r python python3 facerec-sweep
eval "$_facerec_sweep_before"
unset -f _facerec_sweep_complete
unset _facerec_sweep_before
"""
SCRIPTS = {"install=bash": _INSTALL, "uninstall=bash": _UNINSTALL}
"""What the user's shell evaluates, for each request."""


def typed_words(line: str) -> list[str]:
    """What was typed after the program; the last item is the unfinished word, empty after a space."""
    words = line.split()
    if line.endswith(" "):
        words.append("")
    return words[3:] if words[1:2] == ["-m"] else words[1:]


def complete_override(composer: Composer, overrides: Sequence[str], word: str) -> list[str]:
    """Groups, options and keys that `word` can become, after the overrides typed so far.

    Raises:
        UsageError: one of `overrides` cannot be read.
    """
    lines = [str(o.input_line) for o in composer.parse(overrides)]
    query = " ".join(["--multirun", *lines, word])
    found = BashCompletion(composer.hydra.config_loader)._query(composer.config_name, query)
    return [str(choice) for choice in found if not str(choice).startswith("hydra")]
