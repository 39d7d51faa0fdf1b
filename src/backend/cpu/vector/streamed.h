/* Which results go past the caches (vector.h's stream): those that are not there any more when they
 * are read. */
#ifndef FM_BACKEND_CPU_STREAMED_H
#define FM_BACKEND_CPU_STREAMED_H

#define STREAMED        (8 << 20) /* floats */
#define STREAMED_BESIDE (4 << 20) /* likewise, where more than one operand of that size is read */

#endif
