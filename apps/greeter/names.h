/*
 * What clientStream and serverStream are made of: names put together, and a name's words.
 */
#ifndef GREETER_NAMES_H
#define GREETER_NAMES_H

#include <trireme/trireme.h>

#include "greeter.trireme.h"

/* Names, each followed by a space. Starts as {0}; the memory is the call's. */
struct greeter_names {
    char *text; /* ends with a NUL; NULL while there are none */
    size_t size, capacity;
};

/* Returns: what has ended the call, without memory for example. */
tri_code greeter_names_add(tri_call *call, struct greeter_names *names, const char *name);

/* Emits the words of `text`, one reply each. */
tri_code greeter_emit_words(tri_call *call, const char *text,
                            greeter_server_stream_replies *replies);

#endif
