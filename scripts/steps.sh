# Sourced by the scripts beside it: says what a long step is doing, keeps its log, shows the log's end when it fails.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
logs=$cache/logs
mkdir -p "$logs"
# Tools that scripts/setup has put here, and the usual place of a Rust toolchain.
export PATH="$cache/tools/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:/usr/sbin"

# The toolchain that scripts/setup has chosen where the default one is missing or too old.
use_toolchain() {
    [ ! -f "$cache/toolchain" ] || export RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-$(cat "$cache/toolchain")}"
}
use_toolchain

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# The last words of a log, on one line that fits beside the title.
last_words() {
    tail -c 400 "$1" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1 | cut -c "1-$2" || true
}

# step TITLE LOG COMMAND...: runs a command with its output in LOG and a progress line on the terminal.
# Where there is no terminal, a line every half minute.
step() {
    local title=$1 log=$logs/$2.log started=$SECONDS rc=0 elapsed told=0
    shift 2
    "$@" >"$log" 2>&1 </dev/null &
    local pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        elapsed=$((SECONDS - started))
        if [ -t 2 ]; then
            printf '\r\033[K  %s … %d s  %s' "$title" "$elapsed" "$(last_words "$log" 60)" >&2
        elif [ $((elapsed - told)) -ge 30 ]; then
            told=$elapsed
            say "  $title … $elapsed s  $(last_words "$log" 100)"
        fi
        sleep 0.5
    done
    wait "$pid" || rc=$?
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if [ "$rc" -eq 0 ]; then
        say "✓ $title ($((SECONDS - started)) s)"
    else
        say "✗ $title failed with exit code $rc after $((SECONDS - started)) s; the end of $log:"
        tail -n 40 "$log" >&2
    fi
    return "$rc"
}
