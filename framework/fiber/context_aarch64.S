/*
 * AArch64, AAPCS64. A saved context is a stack pointer; at it stand x19-x28, x29, x30 and d8-d15, 160
 * bytes; the switch goes on at x30.
 */
    .text

    .globl tri__context_switch
    .hidden tri__context_switch
    .type tri__context_switch, %function
    .p2align 4
tri__context_switch:
    .cfi_startproc
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    br x30
    .cfi_endproc
    .size tri__context_switch, .-tri__context_switch

/* The first code on a new stack: x19 holds the argument, x20 the entry. An unwinder stops here. */
    .globl tri__context_start
    .hidden tri__context_start
    .type tri__context_start, %function
    .p2align 4
tri__context_start:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    mov x29, xzr
    mov x30, xzr
    blr x20
    brk #1
    .cfi_endproc
    .size tri__context_start, .-tri__context_start

    .globl tri__context_call
    .hidden tri__context_call
    .type tri__context_call, %function
    .p2align 4
tri__context_call:
    .cfi_startproc
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa_register x29
    and x2, x2, #-16
    mov sp, x2
    mov x9, x0
    mov x0, x1
    blr x9
    mov sp, x29
    ldp x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size tri__context_call, .-tri__context_call

    .section .note.GNU-stack, "", %progbits
