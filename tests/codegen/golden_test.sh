#!/bin/sh
# Compares what the plugin writes with what it is known to write: golden/greeter.trireme.h, and the
# errors for each bad/*.proto. With --accept it takes the new output for right.
#
# golden_test.sh PROTOC PLUGIN [--accept]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protoc=$(command -v "$1")
plugin=$2
path=$PATH
accept=${3:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

same() {
    if [ "$accept" = --accept ]; then
        cp "$2" "$1"
    elif ! diff -u "$1" "$2"; then
        failed=1
    fi
}

# generate FOLDER FILE [FLAG...]: what protoc says ends up in $work/said, its status in $status.
generate() {
    folder=$1
    file=$2
    shift 2
    status=0
    env PATH="$path" "$protoc" -I"$folder" --plugin=protoc-gen-trireme="$plugin" --trireme_out="$work" "$@" \
        "$file" 2>"$work/said" || status=$?
    sed 's/^--trireme_out: //' "$work/said" >"$work/errors"
}

expect_failure() {
    if [ $status -eq 0 ]; then
        echo "$1 is generated without an error"
        failed=1
    fi
}

generate "$here/../../apps/greeter" greeter.proto
cat "$work/said"
[ $status -eq 0 ] || failed=1
same "$here/golden/greeter.trireme.h" "$work/greeter.trireme.h"

for proto in "$here"/bad/*.proto; do
    name=$(basename "$proto" .proto)
    [ "$name" = imported ] && continue # only for imports.proto
    generate "$here/bad" "$name.proto"
    expect_failure "$name.proto"
    same "$here/bad/$name.expected" "$work/errors"
done

generate "$here/bad" imported.proto --trireme_opt=alias=off
expect_failure "a wrong parameter"
same "$here/bad/parameter.expected" "$work/errors"

generate "$here/bad" google/protobuf/empty.proto
expect_failure "a well-known type"
same "$here/bad/wellknown.expected" "$work/errors"

# Without protoc-gen-c in PATH, and with one that fails.
mkdir "$work/path"
path=$work/path
generate "$here/bad" imported.proto
expect_failure "a missing protoc-gen-c"
same "$here/bad/child_missing.expected" "$work/errors"

printf '#!/bin/sh\necho one >&2\necho two >&2\nexit 3\n' >"$work/path/protoc-gen-c"
chmod +x "$work/path/protoc-gen-c"
generate "$here/bad" imported.proto
expect_failure "a failing protoc-gen-c"
same "$here/bad/child_failing.expected" "$work/errors"

# What is no request ends with a message and a failure.
if echo garbage | "$plugin" 2>"$work/errors"; then
    echo "garbage is taken for a request"
    failed=1
fi
same "$here/bad/garbage.expected" "$work/errors"
exit $failed
