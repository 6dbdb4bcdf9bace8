#!/bin/sh
# akin serve from outside: its options and what it refuses, the address and the log, signals, a real HTTP client, and TLS by a
# proxy in front.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

server=
nginx=
stop_all() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$nginx" ] || kill "$nginx" 2>/dev/null
    wait 2>/dev/null
}
at_end=stop_all

# make DIR: a collection of a few pictures.
make_collection() {
    [ -d "$1" ] && return
    mkdir -p pictures
    for seed in 1 2 3 4 5 6; do picture pictures/$seed.png 96 64 "$seed"; done
    want 0 "$AKIN" init "$1" && want 0 "$AKIN" add "$1" pictures
}
# start ARGUMENTS: in the background; $url is its address.
start() {
    rm -f address log
    "$AKIN" serve "$@" --listen 127.0.0.1:0 >address 2>log </dev/null &
    server=$!
    for try in $(seq 300); do
        [ -s address ] && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    url=$(sed 's,/$,,' address)
    [ -n "$url" ] || { fault "akin serve $* does not start"; tail -n 3 log | sed 's/^/#     /'; return 1; }
}
# stop SIGNAL: ends it; its exit status is to be 0.
stop() {
    kill -"$1" "$server"
    wait "$server"
    equal $? 0 "exit status after SIG$1"
    server=
}
# fetch STATUS CURL-ARGUMENTS: its body in $T/out.
fetch() {
    fetch_status=$1
    shift
    got=$(curl -sS -m 60 -o "$T/out" -w '%{http_code}' "$@" 2>"$T/err") || fault "curl $*: $(cat "$T/err")"
    [ "$got" = "$fetch_status" ] || fault "status $got, not $fetch_status, of $*: $(head -c 300 "$T/out")"
}
need_curl() { command -v curl >/dev/null || { skip 'no curl here'; return 1; }; }

test_what_is_refused() {
    make_collection c
    want 2 "$AKIN" serve && has err 'which collection?'
    want 2 "$AKIN" serve c --listen 127.0.0.1:0 --max-k 0 && has err '--max-k'
    want 2 "$AKIN" serve c --max-body 1 && has err '1K..1G'
    want 2 "$AKIN" serve c --base-url tiles.example.org && has err 'http://'
    want 2 "$AKIN" serve c --listen nowhere && has err 'ADDRESS:PORT'
    want 2 "$AKIN" serve c --listen 0.0.0.0:0 && has err '--token-file' '--open-read'
    want 2 "$AKIN" serve c c --listen 127.0.0.1:0 && has err "called 'c'"
    want 1 "$AKIN" serve nothing && has err 'akin init'
    want 1 "$AKIN" serve c --listen 127.0.0.1:0 --web pictures && has err 'index.html'
    printf 'write short\n' >tokens && chmod 600 tokens
    want 2 "$AKIN" serve c --token-file tokens && has err 'line 1'
    start c || return
    port=${url##*:}
    want 1 "$AKIN" serve c --listen 127.0.0.1:"$port" && has err 'is taken'
    stop TERM
}

test_answers_a_client_and_logs_it() {
    need_curl || return
    make_collection c
    start c --show-paths --no-web || return
    fetch 200 "$url/healthz"
    fetch 200 "$url/search" -F like=@pictures/3.png -F 'search={"limit":2,"akin":{"explain":true}}'
    has out '"rank":1' '3.png' 'FeatureCollection' '"way"' "$T/pictures/3.png"
    "$AKIN_TOOLS/json_valid" <"$T/out" >/dev/null 2>&1 || fault "the answer is no JSON"
    fetch 404 "$url/nothing" -H 'X-Request-Id: mine-1'
    has out '"request_id":"mine-1"'
    fetch 200 "$url/" -H 'Accept: text/html'
    has out 'Catalog'
    stop INT
    has log '"path":"/healthz"' '"route":"/search"' '"status":404' '"id":"mine-1"' stopping
    start c --quiet --no-web || return
    fetch 200 "$url/healthz"
    stop TERM
    hasnt log healthz
}

test_serves_its_page() {
    need_curl || return
    make_collection c
    mkdir -p web/sub
    echo '<!doctype html><p>hello' >web/index.html
    echo 'export {}' >web/sub/app.js
    echo secret >web/.hidden.txt
    echo secret >outside.txt
    start c --web web || return
    fetch 200 "$url/" -H 'Accept: text/html,*/*' && has out hello
    fetch 200 "$url/web/sub/app.js" && has out export
    fetch 404 "$url/web/.hidden.txt"
    fetch 404 --path-as-is "$url/web/../outside.txt"
    echo changed >web/index.html
    fetch 200 "$url/web/index.html" && has out hello
    stop TERM
}

# The certificate and the configuration are this test's own; nginx runs as us, in this folder.
test_behind_nginx_with_tls() {
    need_curl || return
    nginx_program=$(command -v nginx || echo /usr/sbin/nginx)
    [ -x "$nginx_program" ] || { skip 'no nginx here'; return; }
    command -v openssl >/dev/null || { skip 'no openssl here'; return; }
    make_collection c
    want 0 openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tiles.example.org \
        -addext subjectAltName=DNS:tiles.example.org -keyout key.pem -out cert.pem || return
    printf 'read reader-0123456789abcdef\nwrite writer-0123456789abcdef\n' >tokens
    chmod 600 tokens
    start c --base-url https://tiles.example.org --token-file tokens || return
    for try in 1 2 3 4 5; do
        tls_port=$((20000 + ($$ * 7 + try * 1009) % 40000))
        cat >nginx.conf <<END
daemon off; master_process off; pid $T/nginx.pid; error_log $T/nginx.log; worker_processes 1;
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path $T/nb; proxy_temp_path $T/np; fastcgi_temp_path $T/nf; uwsgi_temp_path $T/nu; scgi_temp_path $T/ns;
    server {
        listen 127.0.0.1:$tls_port ssl; server_name tiles.example.org;
        ssl_certificate $T/cert.pem; ssl_certificate_key $T/key.pem; client_max_body_size 32m;
        location / { proxy_pass $url; proxy_http_version 1.1; proxy_set_header Host \$host; proxy_set_header X-Request-Id \$request_id; }
    }
}
END
        "$nginx_program" -p "$T" -c "$T/nginx.conf" >nginx.out 2>&1 &
        nginx=$!
        for wait in $(seq 50); do [ -s nginx.pid ] && break; kill -0 "$nginx" 2>/dev/null || break; sleep 0.1; done
        [ -s nginx.pid ] && break
    done
    tls="--cacert cert.pem --resolve tiles.example.org:$tls_port:127.0.0.1 https://tiles.example.org:$tls_port"
    # shellcheck disable=SC2086 # words
    fetch 200 ${tls}/healthz && has out alive
    # shellcheck disable=SC2086
    fetch 401 ${tls}/search
    # shellcheck disable=SC2086
    fetch 200 -H 'Authorization: Bearer reader-0123456789abcdef' -F like=@pictures/2.png ${tls}/search
    has out '"href":"https://tiles.example.org/tiles/' '2.png'
    # shellcheck disable=SC2086
    fetch 200 -D head -H 'Content-Type: application/json' -d '{"token":"writer-0123456789abcdef"}' ${tls}/session
    has head 'Secure' 'HttpOnly'
    # A change from the site's own page; from another one.
    key=$(first_key c pictures/2.png)
    # shellcheck disable=SC2086
    fetch 200 -X PUT -H 'Authorization: Bearer writer-0123456789abcdef' -H 'Origin: https://tiles.example.org' \
        -d '{"mark":"like"}' ${tls}/marks/s/$key
    # shellcheck disable=SC2086
    fetch 403 -X PUT -H 'Authorization: Bearer writer-0123456789abcdef' -H 'Origin: https://evil.example' \
        -d '{"mark":"like"}' ${tls}/marks/s/$key
    # shellcheck disable=SC2086
    fetch 403 -X PUT -H 'Authorization: Bearer reader-0123456789abcdef' -d '{"mark":"like"}' ${tls}/marks/s/$key
    kill "$nginx"
    wait "$nginx" 2>/dev/null
    nginx=
    stop TERM
}

run_cases "$@" -- what_is_refused answers_a_client_and_logs_it serves_its_page behind_nginx_with_tls
