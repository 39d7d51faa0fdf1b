/* A clock that never jumps. */
#ifndef FM_BASE_CLOCK_H
#define FM_BASE_CLOCK_H

double fm_now(void); /* seconds */

#endif
