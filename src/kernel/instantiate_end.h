/* Takes back what an instantiation defined. */
#undef REAL
#undef KERNEL
#undef KERNEL_ABS
#undef KERNEL_FLOOR
#undef KERNEL_SQRT
#undef KERNEL_EXP
#undef KERNEL_EXPM1
#undef KERNEL_LOG
#undef KERNEL_LOG1P
#undef KERNEL_POW
#undef KERNEL_SIN
#undef KERNEL_COS
#undef KERNEL_TANH
#undef KERNEL_ERF
#undef KERNEL_NORMAL
#undef KERNEL_BELL
