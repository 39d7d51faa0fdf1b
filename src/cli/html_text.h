/* Text in pages of HTML. */
#ifndef FM_CLI_HTML_TEXT_H
#define FM_CLI_HTML_TEXT_H

#include "base/text.h"

/* '<', '>', '&' and quotes as entities; control characters and broken UTF-8 become U+FFFD. */
void html_add(fm_text *to, const char *bytes, size_t size);
void html_add_string(fm_text *to, const char *string);

#endif
