/*
 * x86-64, System V ABI. A saved context is a stack pointer; at it stand r15 r14 r13 r12 rbx rbp and the
 * address to go on at. The jump through a register instead of `ret` spares the mispredicted return that
 * every switch would cost otherwise.
 */
    .text

    .globl tri__context_switch
    .hidden tri__context_switch
    .type tri__context_switch, @function
    .p2align 4
tri__context_switch:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmpq *%rcx
    .cfi_endproc
    .size tri__context_switch, .-tri__context_switch

/* The first code on a new stack: r12 holds the argument, r13 the entry. An unwinder stops here. */
    .globl tri__context_start
    .hidden tri__context_start
    .type tri__context_start, @function
    .p2align 4
tri__context_start:
    .cfi_startproc
    .cfi_undefined rip
    movq %r12, %rdi
    xorl %ebp, %ebp
    callq *%r13
    ud2
    .cfi_endproc
    .size tri__context_start, .-tri__context_start

    .globl tri__context_call
    .hidden tri__context_call
    .type tri__context_call, @function
    .p2align 4
tri__context_call:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    andq $-16, %rdx
    movq %rdx, %rsp
    movq %rdi, %rax
    movq %rsi, %rdi
    callq *%rax
    movq %rbp, %rsp
    popq %rbp
    .cfi_def_cfa rsp, 8
    retq
    .cfi_endproc
    .size tri__context_call, .-tri__context_call

    .section .note.GNU-stack, "", @progbits
