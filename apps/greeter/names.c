#include "names.h"

#include <string.h>

tri_code greeter_names_add(tri_call *call, struct greeter_names *names, const char *name)
{
    size_t size = strlen(name);

    if (names->capacity - names->size < size + 2) {
        size_t capacity = 2 * (names->size + size + 2) + 256;
        char *larger = tri_call_alloc(call, capacity);

        if (larger == NULL)
            return tri_call_code(call);
        if (names->size > 0)
            memcpy(larger, names->text, names->size);
        names->text = larger;
        names->capacity = capacity;
    }
    memcpy(names->text + names->size, name, size);
    names->size += size;
    names->text[names->size++] = ' ';
    names->text[names->size] = '\0';
    return TRI_OK;
}

tri_code greeter_emit_words(tri_call *call, const char *text,
                            greeter_server_stream_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;

    while (*(text += strspn(text, " ")) != '\0') {
        int length = (int)strcspn(text, " ");

        reply.message = tri_call_printf(call, "%.*s", length, text);
        if (greeter_server_stream_emit(replies, &reply) != TRI_OK)
            break;
        text += length;
    }
    return tri_call_code(call);
}
