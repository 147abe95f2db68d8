/*
 * Goal: a switch keeps the registers that a function must keep, on both sides; a new stack, and a
 * call on another stack, begin aligned as the ABI wants. Method: a piece of assembly that fills
 * those registers, switches, and stores what it finds after; instructions that fault on an
 * unaligned stack.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

#define STACK ((size_t)256 * 1024)

/* Switches with the registers as in `in`, and stores them into `out` when it comes back. */
void switch_with(void **from, void *to, const uint64_t *in, uint64_t *out);

#if defined(__x86_64__)

#define REGISTERS 6
__asm__(".text\n"
        ".globl switch_with\n"
        "switch_with:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    pushq %rcx\n"
        "    movq 0(%rdx), %rbx\n"
        "    movq 8(%rdx), %rbp\n"
        "    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n"
        "    movq 32(%rdx), %r14\n"
        "    movq 40(%rdx), %r15\n"
        "    call tri__context_switch\n"
        "    popq %rcx\n"
        "    movq %rbx, 0(%rcx)\n"
        "    movq %rbp, 8(%rcx)\n"
        "    movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx)\n"
        "    movq %r14, 32(%rcx)\n"
        "    movq %r15, 40(%rcx)\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n");

#elif defined(__aarch64__)

/* x19 to x29, a place that is not used, d8 to d15 */
#define REGISTERS 20
#define PAIRS(instruction, base)                                                                   \
    instruction " x19, x20, [" base ", #0]\n" instruction " x21, x22, [" base                      \
                ", #16]\n" instruction " x23, x24, [" base ", #32]\n" instruction                  \
                " x25, x26, [" base ", #48]\n" instruction " x27, x28, [" base ", #64]\n"
#define DOUBLES(instruction, base)                                                                 \
    instruction " d8, d9, [" base ", #96]\n" instruction " d10, d11, [" base                       \
                ", #112]\n" instruction " d12, d13, [" base ", #128]\n" instruction                \
                " d14, d15, [" base ", #144]\n"
/* clang-format off */
__asm__(".text\n"
        ".globl switch_with\n"
        "switch_with:\n"
        "    sub sp, sp, #176\n"
        PAIRS("stp", "sp")
        "    stp x29, x30, [sp, #80]\n"
        DOUBLES("stp", "sp")
        "    str x3, [sp, #160]\n"
        PAIRS("ldp", "x2")
        "    ldr x29, [x2, #80]\n"
        DOUBLES("ldp", "x2")
        "    bl tri__context_switch\n"
        "    ldr x3, [sp, #160]\n"
        PAIRS("stp", "x3")
        "    str x29, [x3, #80]\n"
        DOUBLES("stp", "x3")
        PAIRS("ldp", "sp")
        "    ldp x29, x30, [sp, #80]\n"
        DOUBLES("ldp", "sp")
        "    add sp, sp, #176\n"
        "    ret\n");
/* clang-format on */

#endif

static void *native, *other;
static uint64_t seen_there[REGISTERS];
static unsigned visits;

static void fill(uint64_t *registers, uint64_t seed)
{
    for (size_t i = 0; i < REGISTERS; i++)
        registers[i] = seed * 1000003 + i * 0x0101010101010101;
#if defined(__aarch64__)
    registers[11] = 0;
#endif
}

/* Whether `registers` are those of fill(seed). */
static bool are_those_of(const uint64_t *registers, uint64_t seed)
{
    uint64_t wanted[REGISTERS];

    fill(wanted, seed);
    return memcmp(registers, wanted, sizeof(wanted)) == 0;
}

static void visit(void *argument)
{
    uint64_t own[REGISTERS];

    for (;;) {
        visits++;
        fill(own, 500 + visits);
        memset(seen_there, 0, sizeof(seen_there));
        /* Other values than those of the side that it goes to. */
        switch_with(&other, *(void **)argument, own, seen_there);
        if (!are_those_of(seen_there, 500 + visits))
            visits = 1000000;
    }
}

static void registers_are_kept(void **state)
{
    uint8_t *stack = aligned_alloc(16, STACK);

    (void)state;
    assert_non_null(stack);
    other = tri__context_make(stack + STACK, visit, &native);
    for (uint64_t i = 1; i <= 100; i++) {
        uint64_t own[REGISTERS], after[REGISTERS] = {0};

        fill(own, i);
        switch_with(&native, other, own, after);
        assert_true(are_those_of(after, i));
        assert_int_equal(visits, i);
    }
    free(stack);
}

/* Hides from the compiler that it knows the alignment. */
static uintptr_t hidden(const void *address)
{
    uintptr_t number = (uintptr_t)address;

    __asm__ volatile("" : "+r"(number));
    return number;
}

static bool is_aligned_here(void)
{
    _Alignas(16) char room[64];
    uintptr_t frame = hidden(__builtin_frame_address(0));

    memset(room, 1, sizeof(room));
#if defined(__x86_64__)
    /* Faults when the stack was not as the compiler believes. */
    __asm__ volatile("movaps %%xmm0, (%0)\n\tmovaps (%0), %%xmm1" : : "r"(room) : "xmm1", "memory");
#endif
    return hidden(room) % 16 == 0 && frame % 16 == 0;
}

struct started {
    void *argument;
    bool is_aligned;
    uintptr_t at;
};

static void start(void *argument)
{
    struct started *started = argument;

    started->is_aligned = is_aligned_here();
    started->at = hidden(__builtin_frame_address(0));
    started->argument = argument;
    tri__context_switch(&other, native);
    abort();
}

static void a_new_stack_is_aligned(void **state)
{
    uint8_t *stack = aligned_alloc(16, STACK);

    (void)state;
    assert_non_null(stack);
    for (size_t less = 0; less < 256; less += 16) {
        struct started started = {0};

        other = tri__context_make(stack + STACK - less, start, &started);
        tri__context_switch(&native, other);
        assert_ptr_equal(started.argument, &started);
        assert_true(started.is_aligned);
        assert_true(started.at >= (uintptr_t)stack);
        assert_true(started.at < (uintptr_t)(stack + STACK - less));
    }
    free(stack);
}

static void note(void *argument)
{
    struct started *started = argument;

    started->is_aligned = is_aligned_here();
    started->at = hidden(__builtin_frame_address(0));
    started->argument = argument;
}

/* From wherever the saved context is, however it is aligned. */
static void a_call_on_another_stack_is_aligned(void **state)
{
    uint8_t *stack = aligned_alloc(16, STACK);

    (void)state;
    assert_non_null(stack);
    for (size_t less = 0; less < 64; less += 8) {
        struct started started = {0};
        uint8_t *saved = stack + STACK - 64 - less;

        memset(saved, 0xa5, 64 + less);
        tri__context_call(note, &started, saved);
        assert_ptr_equal(started.argument, &started);
        assert_true(started.is_aligned);
        assert_true(started.at >= (uintptr_t)stack && started.at < (uintptr_t)saved);
        for (size_t i = 0; i < 64 + less; i++)
            assert_int_equal(saved[i], 0xa5); /* what is saved there stays */
    }
    free(stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_kept),
        cmocka_unit_test(a_new_stack_is_aligned),
        cmocka_unit_test(a_call_on_another_stack_is_aligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
