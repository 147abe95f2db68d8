/*
 * Comments of a .proto as comments of C.
 */
#ifndef CODEGEN_COMMENTS_H
#define CODEGEN_COMMENTS_H

#include "codegen_model.h"

/*
 * Makes every comment of a file safe inside a C comment: no end or start of one, no trigraph, no
 * control or bidirectional character, no broken UTF-8. protoc-gen-c, which copies them, profits
 * too.
 */
void codegen_clean_comments(struct codegen *codegen, const struct codegen_file *file);

/* The comment of an element: what stands before it, else behind it. NULL when there is none. */
const char *codegen_comment(const struct codegen_file *file, const struct codegen_path *path);

/*
 * Writes a doc comment at `indent` columns: paragraphs in turn, with an empty line between them.
 * NULLs and empty texts are left out.
 */
void codegen_put_comment(struct codegen_text *text, int indent, const char *const *paragraphs,
                         size_t count);

#endif
