#!/bin/sh
# The pages say what the program does: options as --help prints them, a page a command, links that lead somewhere, commands in
# README and pages that exist.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"
cd "$ROOT" || exit 1

commands=$("$AKIN" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p')

test_options_are_those_of_the_help() {
    [ -n "$commands" ] || fault 'the help lists no command'
    want 0 tools/fill-options "$AKIN" --check || sed 's/^/#     /' "$T/out"
}

test_every_command_has_a_page() {
    for command in $commands; do
        [ -f docs/$command.md ] || { fault "docs/$command.md is missing"; continue; }
        for part in '## NAME' '## SYNOPSIS' '## DESCRIPTION' '## OPTIONS' '## EXIT STATUS' '## EXAMPLES'; do
            has docs/$command.md "$part"
        done
        summary=$("$AKIN" --help | sed -n "s/^  $command  *//p")
        [ -n "$summary" ] || fault "$command has no summary"
    done
}

# Words behind `akin` in code: commands, or an option of the program itself.
test_commands_in_pages_exist() {
    for page in README.md docs/*.md; do
        [ -f "$page" ] || continue
        grep -hoE '(^ {4,}|`|\$ )akin [a-z-]+' "$page" | sed 's/.*akin //' | sort -u >"$T/words"
        while read -r word; do
            case $word in --help | --version) continue ;; esac
            echo " $(echo $commands) " | grep -q " $word " || fault "$page speaks of 'akin $word'"
        done <"$T/words"
    done
}

# Options behind a command in the pages' examples are ones that it has.
test_options_in_pages_exist() {
    for command in $commands; do
        "$AKIN" "$command" --help >"$T/help"
        cat README.md docs/*.md 2>/dev/null | grep -hoE "akin $command [^\`#|&]*" | grep -oE -e ' --[a-z][a-z-]*' | sort -u >"$T/used"
        while read -r option; do
            grep -qE -e "$option( |\$)" "$T/help" || fault "the pages use 'akin $command $option'"
        done <"$T/used"
    done
}

test_links_lead_somewhere() {
    for page in README.md docs/*.md; do
        [ -f "$page" ] || continue
        grep -oE '\]\([^)#]+' "$page" | sed 's/^](//' | grep -v '^[a-z]*:' >"$T/links"
        while read -r link; do
            [ -e "$(dirname "$page")/$link" ] || fault "$page links to $link"
        done <"$T/links"
    done
}

run_cases "$@" -- options_are_those_of_the_help every_command_has_a_page commands_in_pages_exist options_in_pages_exist \
    links_lead_somewhere
