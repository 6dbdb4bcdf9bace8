#!/bin/sh
# kill -9 of `akin add` (and of `akin embed --refit` and `--model NAME`) at AKIN_KILLS random moments (default 100). After each one the collection
# must verify, and the same command must bring it to what an undisturbed run gives: the same tiles, the same whole
# ranking, byte for byte. Every failing moment is printed; AKIN_KILL_SEED=N draws the same moments again.
#
# The imagery: pictures in tiles of 32 px (over 8,000 tiles: the fit's commit and three more), one with gaps, one that ends in the
# middle, one that is none.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

kills=${AKIN_KILLS:-100}
seed=${AKIN_KILL_SEED:-$(date +%s)}
echo "# AKIN_KILLS=$kills AKIN_KILL_SEED=$seed"
watch=$AKIN_TOOLS/watch

# draw N HIGH: the N-th random whole number of this seed, by a checksum stirred by Park and Miller's generator: awk's own
# rand() differs from awk to awk.
draw() {
    printf 'kill %s of seed %s' "$1" "$seed" | cksum |
        awk -v high="$2" '{ x = $1 % 2147483646 + 1
                            for (i = 0; i < 5; i++) x = x * 48271 % 2147483647
                            printf "%d\n", x / 2147483647 * high }'
}

mkdir images images/a images/b
for i in 1 2 3 4 5 6 7 8; do
    picture images/a/$i.jpg 512 512 $i
done
picture images/a/9.png 512 512 9 gaps
picture images/b/10.jpg 400 300 10
picture images/b/whole.png 512 512 11
head -c $(($(wc -c <images/b/whole.png) / 2)) images/b/whole.png >images/b/half.png
picture images/b/whole.jpg 512 512 12
head -c $(($(wc -c <images/b/whole.jpg) / 2)) images/b/whole.jpg >images/b/half.jpg
echo 'no picture' >images/b/none.jpg
rm images/b/whole.*

new() { rm -rf "$1" && "$AKIN" init "$1" --tile 32 --input 16 2>/dev/null; }
# run COMMAND [US]: undisturbed, or killed after US microseconds; sets how (exit status or "killed") and took.
run() {
    if [ -n "${2-}" ]; then set -- "$1" --kill-after "$2"; else set -- "$1"; fi
    kind=$1
    shift
    case $kind in
    add) "$watch" "$@" "$AKIN" add work images --bbox 0,0,10,10 3>how >out 2>err </dev/null ;;
    refit) "$watch" "$@" "$AKIN" embed work --refit 3>how >out 2>err </dev/null ;;
    model) "$watch" "$@" "$AKIN" embed work --model instant-2 3>how >out 2>err </dev/null ;;
    esac
    read -r _ how took _ <how
    [ "$how" = killed ] && killed=$((killed + 1))
}

killed=0

# Undisturbed: what all others must come to. The second of two runs is timed, the first one warms the disk's cache.
new work && run add
new work && run add
add_took=$took
[ "$how" = 1 ] || { echo "# the undisturbed add: exit status $how"; cat err; }
key=$("$AKIN" search work --at 5,5 -k 1 --keep-examples --json | sed -n 's/.*"tile":"\([0-9a-f]*\)".*/\1/p')
ranking work "$key" added.json
cp -r work base
run refit
refit_took=$took
ranking work "$key" refitted.json
cp -r base refitted
cp -r work/models/instant-2 refitted/models # the same encoder, that has not embedded anything yet
rm -rf work && cp -r refitted work
run model
model_took=$took
ranking work "$key" now.json
same refitted.json now.json 'a refit and its encoder brought by hand' || exit 1
echo "# undisturbed: add $((add_took / 1000)) ms, embed --refit $((refit_took / 1000)) ms, --model $((model_took / 1000)) ms, $(lines added.json) tiles"
[ "$(lines added.json)" -gt 8000 ] && [ "$(lines added.json)" = "$(lines refitted.json)" ] || {
    echo '# that is not what this test is about'
    exit 1
}

# The same as the undisturbed one, which took N ms? at says where the kill was.
check_end() {
    "$AKIN" verify work >out 2>err </dev/null || { fault "$at: verify at the end: $(head -n 3 out err)"; return; }
    ranking work "$key" now.json
    same "$1" now.json "$at: the answers"
}
check_killed() {
    "$AKIN" verify work >out 2>err </dev/null || fault "$at: verify after the kill: $(head -n 3 out err)"
}

# A killed add, 1 to 3 times in a row, then one to the end. Every fourth moment is drawn from the first tenth: discovery.
kill_add() {
    new work
    times=1
    [ $(($1 % 10)) = 0 ] && times=3
    at="kill $1 of seed $seed"
    while [ $times -gt 0 ]; do
        high=$((add_took * 11 / 10))
        [ $(($1 % 4)) = 1 ] && high=$((add_took / 10))
        moment=$(draw "$1.$times" $high)
        at="$at, add after $moment us"
        run add "$moment"
        case $how in
        killed) check_killed ;;
        1) ;; # it was done already
        *) fault "$at: exit status $how: $(tail -n 1 err)" ;;
        esac
        times=$((times - 1))
    done
    run add
    [ "$how" = 1 ] || fault "$at: add again: exit status $how: $(tail -n 1 err)"
    check_end added.json
}

# kill_embed N KIND BASE US: one that takes so long undisturbed, of a copy of BASE.
kill_embed() {
    rm -rf work && cp -r "$3" work
    moment=$(draw "$1" "$4")
    at="kill $1 of seed $seed, embed ($2) after $moment us"
    run "$2" "$moment"
    if [ "$how" = killed ]; then
        check_killed
        "$AKIN" status work --json >out 2>err </dev/null
        grep -q '"model":"instant"' out && { ranking work "$key" now.json; same added.json now.json "$at: the answers meanwhile"; }
        grep -q '"model":"instant-2"' out || run "$2"
    fi
    [ "$how" = 0 ] || [ "$how" = killed ] || fault "$at: embed again: exit status $how: $(tail -n 1 err)"
    check_end refitted.json
}

# Every tenth kill is of a refit, every tenth of an embedding with an encoder that is there.
each() {
    n=0
    while [ $((n += 1)) -le "$kills" ]; do
        case $1-$((n % 10)) in
        refit-5) kill_embed $n refit base "$refit_took" ;;
        model-3) kill_embed $n model refitted "$model_took" ;;
        add-[35]) ;;
        add-*) kill_add $n ;;
        esac
    done
}

test_killed_adds_go_on_to_the_same_end() {
    each add
    echo "# $killed runs were killed"
    [ "$killed" -ge $((kills / 2)) ] || fault "only $killed runs were killed: they end too early"
    "$AKIN" add work images --bbox 0,0,10,10 >out 2>err </dev/null
    has err 'failed before'
}

test_killed_refits_go_on_to_the_same_end() { each refit; }

test_killed_embeddings_go_on_to_the_same_end() { each model; }

# The sum of all: an add whose every run is killed a little later than the one before gets to the end.
test_an_add_that_is_killed_again_and_again_arrives() {
    new work
    moment=$((add_took / 3)) rounds=0 how=killed
    at="killed over and over"
    while [ "$how" = killed ] && [ $((rounds += 1)) -le 40 ]; do
        run add $moment
        moment=$((moment * 5 / 4)) # however slow the machine is, it arrives
        [ "$how" = killed ] && check_killed
    done
    equal "$how" 1 'the exit status of the last'
    check_end added.json
}

run_cases "$@" -- killed_adds_go_on_to_the_same_end killed_refits_go_on_to_the_same_end \
    killed_embeddings_go_on_to_the_same_end an_add_that_is_killed_again_and_again_arrives
