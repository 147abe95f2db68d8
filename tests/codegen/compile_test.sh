#!/bin/sh
# Generates every .proto of protos/ and compiles what comes out, and use.c, as C17 and as C++17 with
# warnings as errors.
#
# compile_test.sh PROTOC PLUGIN INCLUDE...: the folders of trireme/ and google/protobuf/*.pb-c.h
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protoc=$1
plugin=$2
shift 2
includes=
for folder; do
    includes="$includes -I$folder"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here/protos"
# options.proto serves for options alone: nothing of it may be needed.
for proto in $(find . -name '*.proto' ! -name options.proto | sed 's|^\./||'); do
    option=
    [ "$proto" = v2/greeter.proto ] && option=--trireme_opt=prefix=v2_
    # shellcheck disable=SC2086
    "$protoc" -I. --plugin=protoc-gen-trireme="$plugin" $option --trireme_out="$work" "$proto"
done
mkdir "$work/off"
"$protoc" -I. --plugin=protoc-gen-trireme="$plugin" --trireme_out=aliases=off:"$work/off" \
    v1/greeter.proto
if grep -q TRIREME_ALIAS "$work/off/v1/greeter.trireme.h"; then
    echo "aliases=off has left aliases"
    exit 1
fi

failed=0
compile() {
    # shellcheck disable=SC2086
    "$@" -Wall -Wextra -Werror -I"$work" $includes -o "$work/object.o" -c "$source" || {
        echo "FAILED: $* $source"
        failed=1
    }
}
picky="-Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
    -Wpointer-arith -Wimplicit-fallthrough"
for source in $(find "$work" -name '*.c' ! -path '*/off/*') "$here/use.c"; do
    # What is not there is not tried; cc must be.
    for compiler in cc gcc clang; do
        [ "$compiler" = cc ] || command -v "$compiler" >/dev/null || continue
        # shellcheck disable=SC2086
        compile "$compiler" -std=gnu17 $picky
    done
    [ "$source" = "$here/use.c" ] || compile cc -std=c17 -Wpedantic
    for compiler in g++ clang++; do
        command -v "$compiler" >/dev/null || continue
        compile "$compiler" -std=c++17 -x c++
    done
done
exit $failed
