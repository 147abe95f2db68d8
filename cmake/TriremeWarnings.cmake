# What every C file of ours is compiled with. -Werror comes from the presets, not from here: other
# people's compilers know other warnings.
add_library(trireme_warnings INTERFACE)
target_compile_options(trireme_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wimplicit-fallthrough>)

# How the library itself is compiled: a handler's stack is small and guarded, so a large frame must
# touch each page on its way down.
add_library(trireme_hardening INTERFACE)
target_compile_options(trireme_hardening INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection -fno-omit-frame-pointer>)
