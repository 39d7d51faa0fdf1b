/* Letters of 5x7 pixels for captions: those of ASCII that names are made of. */
#ifndef FM_CLI_SMALL_LETTERS_H
#define FM_CLI_SMALL_LETTERS_H

#include <stdint.h>

enum { LETTER_WIDTH = 5, LETTER_HEIGHT = 7 };

/* The rows of a UTF-8 text's next letter, each in five bits, the left pixel highest, and *text
 * moves behind it; NULL at the end. What has no letter here is a box. */
const uint8_t *small_letter_next(const char **text);
int small_letter_count(const char *text);

#endif
