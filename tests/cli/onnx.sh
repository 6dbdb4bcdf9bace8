#!/bin/sh
# Encoders from elsewhere: akin embed --model FILE.onnx, what its flags say, what they refuse. The network is one that make_onnx
# writes; ONNX Runtime is AKIN_ONNXRUNTIME, or what tools/setup took from npm into build/npm.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

case $(uname -m) in aarch64) machine=arm64 ;; *) machine=x64 ;; esac
for library in "${AKIN_ONNXRUNTIME:-}" \
    "${AKIN_NPM:-$ROOT/build/npm}"/node_modules/onnxruntime-node/bin/napi-v*/linux/$machine/libonnxruntime.so.1; do
    [ -n "$library" ] && [ -f "$library" ] && break
    library=
done
unset AKIN_ONNXRUNTIME
need_library() { [ -n "$library" ] || skip 'ONNX Runtime is not installed (tools/setup test takes it from npm)'; }

net() { "$AKIN_TOOLS/make_onnx" "$@" || fault "make_onnx $*"; }

mkdir photos nets
faults=0
for i in 1 2 3 4 5 6; do picture photos/$i.jpg 160 120 $i; done
net nets/small.onnx 24 3 Sigmoid
net nets/plain.onnx 24
net 'nets/five bands.onnx' 24 5
echo nonsense >nets/broken.onnx
[ "$faults" = 0 ] || exit 1
"$AKIN" init c 2>/dev/null
"$AKIN" add c photos 2>add.err || { cat add.err; exit 1; }

test_a_file_becomes_the_encoder() {
    need_library
    [ -z "$skipped" ] || return
    want 0 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" && has err "'small' is the collection's encoder now" '6 of 6 tiles'
    want 0 "$AKIN" status c --json && has out '"model":"small"'
    [ -f c/models/small/model.onnx ] || fault 'the file is not in the collection'
    AKIN_ONNXRUNTIME=$library
    export AKIN_ONNXRUNTIME
    want 0 "$AKIN" search c --image photos/3.jpg -k 1 && has out 3.jpg && matches out '(0\.99|1\.0)'
    want 0 "$AKIN" embed c --model small && has err 'encoder already: 6 of 6 tiles, 0 of them new'
    unset AKIN_ONNXRUNTIME
}

test_the_same_command_goes_on() {
    need_library
    [ -z "$skipped" ] || return
    want 0 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" --name again --keep-default
    want 0 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" --name again && has err "'again'" '0 of them new'
    want 1 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" --name again --mean 0.5 &&
        has err "encoder 'again' already" 'give another name'
    want 1 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" --name instant && has err "encoder 'instant' already"
}

# What flags say is what a card beside the file says.
test_flags_and_card_are_alike() {
    need_library
    [ -z "$skipped" ] || return
    cp nets/small.onnx nets/carded.onnx
    echo '{"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "pooling": "none", "output": "features"}' >nets/carded.json
    want 0 "$AKIN" embed c --model nets/carded.onnx --onnxruntime "$library"
    want 0 "$AKIN" embed c --model nets/small.onnx --onnxruntime "$library" --name flagged --mean 0.4,0.5,0.6 --std 0.2,0.3,0.4 \
        --scale 1 --pooling none --input-name pixels --output-name features --layout nchw --input 24
    cmp -s c/models/carded/weights.bin c/models/flagged/weights.bin || fault 'flags and card give different encoders'
}

test_what_does_not_fit_is_refused() {
    need_library
    [ -z "$skipped" ] || return
    set -- --onnxruntime "$library"
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --input-name image && has err "'image'" pixels
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --output-name logits && has err "'logits'" features
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --layout chw && has err "'chw'" nhwc
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --pooling some && has err "'some'" patches-mean
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --input 32 && has err '24 x 24'
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --scale 2 && has err '1 or 255'
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x --mean 1,2 && has err '2 means'
    want 2 "$AKIN" embed c --model nets/small.onnx "$@" --name x/y && has err "'x/y'"
    want 2 "$AKIN" embed c --model 'nets/five bands.onnx' "$@" && has err '5 channels' '3 bands'
    want 1 "$AKIN" embed c --model nets/broken.onnx "$@" && has err broken.onnx
    want 1 "$AKIN" embed c --model nets/absent.onnx "$@" && has err absent.onnx
    [ ! -e c/models/x ] || fault 'a refused file left an encoder behind'
    AKIN_ONNXRUNTIME=$library
    export AKIN_ONNXRUNTIME
    clean c
    unset AKIN_ONNXRUNTIME
}

test_a_library_that_is_none() {
    want 1 "$AKIN" embed c --model nets/small.onnx --name y --onnxruntime nets/small.onnx && has err nets/small.onnx
    want 1 "$AKIN" embed c --model nets/small.onnx --name y --onnxruntime absent.so && has err absent.so
    [ ! -e c/models/y ] || fault 'an encoder that nothing can run'
}

test_a_plain_network_needs_no_library() {
    AKIN_ONNXRUNTIME=absent.so
    export AKIN_ONNXRUNTIME
    want 0 "$AKIN" embed c --model nets/plain.onnx --keep-default && has err "'plain' is embedded" '6 of 6 tiles'
    want 0 "$AKIN" search c --model plain --image photos/3.jpg -k 1 && has out 3.jpg
    has c/models/plain/card.json '"engine": "akin"'
    unset AKIN_ONNXRUNTIME
}

test_misuse() {
    want 2 "$AKIN" embed c --model instant --mean 0.5 && has err '--mean goes with --model FILE.onnx only'
    want 2 "$AKIN" embed c --refit --name x && has err '--name goes with'
    want 2 "$AKIN" embed c --model nets/small.onnx --refit
    want 2 "$AKIN" embed c --model nets/small.onnx --mean 1,,2 && has err --mean
    want 2 "$AKIN" embed c --model nets/small.onnx --std '' && has err --std
    want 2 "$AKIN" embed c --model nets/small.onnx --input 0 && has err --input
}

run_cases "$@" -- a_file_becomes_the_encoder the_same_command_goes_on flags_and_card_are_alike what_does_not_fit_is_refused \
    a_library_that_is_none a_plain_network_needs_no_library misuse
