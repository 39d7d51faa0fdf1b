/* Uses the installed headers and library: prints one line and ends with 0. */
#include <fathom/base.h>
#include <fathom/program.h>
#include <fathom/tensor.h>
#include <stdio.h>

int main(void)
{
    fm_context *context;
    fm_store *store;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    if (fm_store_create(context, 1, &store) != FM_OK) {
        fprintf(stderr, "%s\n", fm_error_message(context));
        return 1;
    }
    char text[FM_SHAPE_TEXT];
    printf("fathom %s: %s\n", FM_VERSION, fm_shape_text(FM_SHAPE(2, 3), text));
    fm_store_destroy(store);
    fm_context_destroy(context);
    return 0;
}
