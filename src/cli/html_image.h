/* Pictures in pages of HTML. */
#ifndef FM_CLI_HTML_IMAGE_H
#define FM_CLI_HTML_IMAGE_H

#include "base/text.h"
#include "fathom/image.h"

/* An <img> with the picture in it, `times` as large on the page; `words` say what it shows. */
fm_status html_add_image(fm_context *context, fm_text *body, const fm_image *image, int times,
                         const char *words);

#endif
