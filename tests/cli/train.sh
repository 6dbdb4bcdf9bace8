#!/bin/sh
# akin train from outside: what it says and leaves behind, Ctrl-C, kill -9 at AKIN_TRAIN_KILLS random moments (default 4; 50 by hand), a full
# disk. After each stop the collection must verify and answer, and `--resume` must end in the same encoder, byte for byte.
# AKIN_KILL_SEED=N draws the same moments again.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

kills=${AKIN_TRAIN_KILLS:-4}
seed=${AKIN_KILL_SEED:-$(date +%s)}
watch=$AKIN_TOOLS/watch
how_small='--epochs 2 --batch 16 -j 2'

mounted=
unmount() { [ -z "$mounted" ] || umount "$mounted"; mounted=; }
at_end=unmount

mkdir images
for i in 1 2 3 4 5 6; do
    picture images/$i.jpg 160 160 $i $((i - 1))
done
"$AKIN" init base --tile 64 2>/dev/null
"$AKIN" add base images --bbox 0,0,10,10 2>err || { cat err; exit 1; }
key=$(first_key base images/1.jpg)
ranking base "$key" base.json
[ "$(lines base.json)" = 96 ] || echo "# $(lines base.json) tiles: that is not what this test is about"

# Undisturbed: what all others must come to.
cp -r base whole
"$watch" "$AKIN" train whole $how_small 3>how >whole.out 2>whole.err </dev/null
read -r _ status took _ <how
[ "$status" = 0 ] || { echo "# the undisturbed training: exit status $status"; cat whole.err; exit 1; }
ranking whole "$key" whole.json
echo "# AKIN_TRAIN_KILLS=$kills AKIN_KILL_SEED=$seed, undisturbed: $((took / 1000)) ms"

new() { rm -rf work && cp -r base work; }
check_end() {
    clean work
    same whole/models/trained/weights.bin work/models/trained/weights.bin "$1: the encoder"
    ranking work "$key" now.json
    same whole.json now.json "$1: the answers"
    [ ! -e work/models/trained.training/checkpoint.bin ] || fault "$1: the checkpoint is left"
}
# Stopped: nothing is wrong, and what was there answers.
check_stopped() {
    clean work
    "$AKIN" search work --model instant --tile "$key" --keep-examples -k 100000 --json >now.json 2>err </dev/null
    same base.json now.json "$1: the answers meanwhile"
}

test_what_it_leaves_behind() {
    folder=whole/models/trained.training
    has whole.err "is the collection's encoder now" 'curve.svg' 'akin eval whole' '2 epochs' '96 tiles'
    equal "$(lines $folder/curve.csv)" 3 'lines of curve.csv'
    equal "$(head -c 8 $folder/samples.png | od -An -tx1 | tr -d ' ')" 89504e470d0a1a0a 'the head of samples.png'
    if command -v xmllint >/dev/null; then want 0 xmllint --noout $folder/curve.svg; fi
    [ -e $folder/checkpoint.bin ] && fault 'the checkpoint is left'
    clean whole
    want 0 "$AKIN" status whole --json && has out '"model":"trained"'
    want 0 "$AKIN" search whole --model instant --tile "$key"
    want 1 "$AKIN" train whole && has err "an encoder 'trained' already" --name
    want 1 "$AKIN" train whole --resume && has err 'learnt to its end'
    # A second one beside it; the name goes into its folder.
    want 0 "$AKIN" train whole --name second --no-embed $how_small --json && has err 'akin embed whole --model second'
    "$AKIN_TOOLS/json_valid" <out >/dev/null || fault 'the report is no JSON'
    has out '"epochs_done":2' '"saved":true' '"embedded":false' '"collapsed":false'
    [ -e whole/index/second ] && fault 'it was embedded'
    same whole/models/trained/weights.bin whole/models/second/weights.bin 'the same seed'
}

# As on a CPU with AVX2 and no more: what was learnt with bf16 answers, and bf16 is refused.
test_a_cpu_without_bf16() {
    want 0 env DNNL_MAX_CPU_ISA=AVX2 "$AKIN" search whole --image images/1.jpg
    want 1 env DNNL_MAX_CPU_ISA=AVX2 "$AKIN" embed whole --model trained --precision bf16 && has err 'no bf16' f32
    new
    want 0 env DNNL_MAX_CPU_ISA=AVX2 "$AKIN" train work --epochs 1 --batch 16 -j 2
    clean work
}

test_misuse_is_refused_in_a_line() {
    while read -r options; do
        want 2 "$AKIN" train base $options && equal "$(lines err)" 1 "lines for $options"
        option=$(echo "$options" | sed 's/.* --/--/; s/ .*//')
        has err "$(echo "$option" | sed 's/^-*//')"
    done <<END
--epochs 0
--epochs 100001
--minutes 0
--minutes x
--seed 0
--batch 3
--batch 5000
--input 32
--input 100
-j 0
-j 257
--ram many
--preset r50
--loss none
--optimiser none
--name a/b
--minutes 1 --epochs 2
END
    want 2 "$AKIN" train && has err 'which collection'
    want 1 "$AKIN" train nowhere
    want 1 "$AKIN" train base --resume && has err 'no checkpoint'
    want 1 "$AKIN" train base --ram 10M && has err '--ram'
    want 0 "$AKIN" train base --dry-run && has err 'epochs of 96 tiles' 'memory'
    equal "$(find base/models -name '*.training')" '' 'folders left by refusals'
}

test_weights_of_another_collection() {
    other=whole/models/trained/weights.safetensors
    new
    want 0 "$AKIN" train work --init $other --epochs 0 && has err "the weights of $other" "the collection's encoder now"
    # The tiles are the same, so their means and deviations are, too, which stand in the file.
    same $other work/models/trained/weights.safetensors 'the weights'
    [ -e work/models/trained.training/checkpoint.bin ] && fault 'a checkpoint is left'
    clean work
    want 0 "$AKIN" search work --tile "$key"
    want 0 "$AKIN" train work --name more --init $other $how_small --no-embed
    cmp -s $other work/models/more/weights.safetensors && fault 'nothing was learnt from there on'
    want 2 "$AKIN" train work --name x --init $other --preset r18h && has err weights.safetensors "of r18h is not in it"
    want 1 "$AKIN" train work --name x --init nowhere && has err nowhere
    head -c 1000000 $other >cut.safetensors
    want 1 "$AKIN" train work --name x --init cut.safetensors && has err cut.safetensors
    want 2 "$AKIN" train work --name x --init $other --epochs 0 --minutes 1 && has err minutes
    "$AKIN" init grey --tile 64 --bands 1 2>/dev/null && "$AKIN" add grey images 2>/dev/null
    want 2 "$AKIN" train grey --init $other && has err 'learnt from 3 bands, and the tiles have 1'
    equal "$(find work/models grey/models -name 'x*' -o -name '*.training' -path 'grey/*')" '' 'folders left by refusals'
    "$AKIN" train work --name stopped $how_small --no-embed >out 2>err </dev/null &
    pid=$!
    while [ ! -e work/models/stopped.training/checkpoint.bin ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
    kill -INT $pid
    wait $pid || { want 2 "$AKIN" train work --name stopped --resume --init $other && has err "--init with --resume"; }
}

test_ctrl_c_saves_and_a_resume_goes_on() {
    for at in 1 2; do
        new
        "$AKIN" train work $how_small >out 2>err </dev/null &
        pid=$!
        while [ ! -e work/models/trained.training/checkpoint.bin ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
        sleep $((at - 1))
        kill -INT $pid
        wait $pid
        got=$?
        if [ $got = 1 ]; then
            has err 'akin train work --resume'
            check_stopped "Ctrl-C $at"
            want 1 "$AKIN" train work $how_small && has err '--resume'
            want 2 "$AKIN" train work --resume --epochs 3 && has err epochs
            want 0 "$AKIN" train work --resume
        else
            equal $got 0 'the exit status'
        fi
        check_end "Ctrl-C $at"
    done
}

draw() {
    printf 'train %s of seed %s' "$1" "$seed" | cksum |
        awk -v high="$2" '{ x = $1 % 2147483646 + 1
                            for (i = 0; i < 5; i++) x = x * 48271 % 2147483647
                            printf "%d\n", x / 2147483647 * high }'
}

test_killed_trainings_go_on_to_the_same_end() {
    n=0 killed=0
    while [ $((n += 1)) -le "$kills" ]; do
        new
        moment=$(draw $n "$took")
        at="kill $n of seed $seed, after $moment us"
        "$watch" --kill-after "$moment" "$AKIN" train work $how_small 3>how >out 2>err </dev/null
        read -r _ how _ <how
        # Twice in a row, a resume too.
        if [ "$how" = killed ]; then
            killed=$((killed + 1))
            check_stopped "$at"
            if [ -e work/models/trained.training/checkpoint.bin ]; then
                moment=$(draw $n.again "$took")
                "$watch" --kill-after "$moment" "$AKIN" train work --resume 3>how >out 2>err </dev/null
                clean work
            fi
            if [ -e work/models/trained.training/checkpoint.bin ]; then
                want 0 "$AKIN" train work --resume || fault "$at"
            elif [ ! -e work/models/trained ]; then
                want 0 "$AKIN" train work $how_small || fault "$at"
            fi
        fi
        check_end "$at"
        equal "$(find work -name '*.tmp-*')" '' "$at: temporaries left"
    done
    [ $((killed * 2)) -ge "$kills" ] || fault "only $killed of $kills runs were killed: they end too early"
}

# RLIMIT_FSIZE, in blocks of 512 bytes: the checkpoint is of 14 MB, the encoder of 6.
test_no_room_for_a_checkpoint_or_an_encoder() {
    for blocks in 1 100 20000; do
        new
        (ulimit -f $blocks && "$AKIN" train work $how_small) >out 2>err </dev/null
        equal $? 1 "exit status with files of $blocks blocks at most"
        matches err 'space|full|quota|large'
        check_stopped "files of $blocks blocks"
        equal "$(find work -name '*.tmp-*')" '' 'temporaries left'
        want 0 "$AKIN" train work $how_small
        check_end "after files of $blocks blocks"
    done
}

# There is room for the first checkpoint, not for the next one beside it.
test_disk_full_in_the_middle() {
    mkdir -p disk
    mount -t tmpfs -o size=$(($(du -sk base | cut -f 1) + 20000))k none disk 2>/dev/null || { skip 'no right to mount a tmpfs'; return; }
    mounted=$T/disk
    rm -rf work && cp -r base disk/work && ln -s disk/work work
    want 1 "$AKIN" train work $how_small && matches err 'space|full'
    [ -e work/models/trained.training/checkpoint.bin ] || fault 'the first checkpoint is gone'
    check_stopped 'a full disk'
    equal "$(find disk/work -name '*.tmp-*')" '' 'temporaries left'
    mount -o remount,size=200m disk
    want 0 "$AKIN" train work --resume
    check_end 'room again'
    rm work
    unmount
}

run_cases "$@" -- what_it_leaves_behind a_cpu_without_bf16 misuse_is_refused_in_a_line weights_of_another_collection ctrl_c_saves_and_a_resume_goes_on \
    killed_trainings_go_on_to_the_same_end no_room_for_a_checkpoint_or_an_encoder disk_full_in_the_middle
