/* fathom/options.h: the macro by which options are given like keyword arguments.
 *
 *     fm_fit(model, data, FM_OPTIONS(fm_fit_options, .epochs = 10));
 *
 * Invariants
 *  - Fields that are not named are zero, their default, and no compiler warns of them
 *    (-Wmissing-field-initializers, part of g++'s and clang++'s -Wextra).
 *  - In C it is &(fm_fit_options){.epochs = 10}. In C++ (C++20, or GCC's and Clang's earlier ones)
 *    names stand in the order of the struct, and the options, with what they point at, live as long
 *    as the call.
 *  - May be NULL: nothing.
 */
#ifndef FATHOM_OPTIONS_H
#define FATHOM_OPTIONS_H

#include <stddef.h> /* declarations, without which ISO C compiles no file */

#ifndef __cplusplus

#define FM_OPTIONS(type, ...) (&(type){__VA_ARGS__})

#elif defined(__clang__)

/* clang: a pragma may stand within an expression. */
#define FM_OPTIONS(type, ...)                                                                      \
    (_Pragma("clang diagnostic push")                                                              \
         _Pragma("clang diagnostic ignored \"-Wmissing-field-initializers\"") &                    \
     static_cast<const type &>(type{__VA_ARGS__}) _Pragma("clang diagnostic pop"))

#else

/* g++: there it may not, but a macro of a system header gives no such warning. Nothing else is in
 * this one. */
#pragma GCC system_header
#define FM_OPTIONS(type, ...) (&static_cast<const type &>(type{__VA_ARGS__}))

#endif
#endif
