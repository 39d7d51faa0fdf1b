/* Models' and events' files in a build without jansson and zlib. */
#include "train/event_watch.h"
#include "train/model.h"

#ifndef FATHOM_HAVE_FILES

static fm_status refuse(fm_context *context, const char *path)
{
    return fm_fail(context, FM_ERROR_UNSUPPORTED,
                   "%s: this build cannot read or write models: it was configured without "
                   "FATHOM_FILES",
                   path);
}

fm_status fm_model_save(fm_model *model, const char *path, const fm_save_options *options)
{
    (void)options;
    return refuse(model->context, path);
}

fm_status fm_model_check_save(const fm_model *model, const char *path)
{
    return refuse(model->context, path);
}

fm_status fm_model_load(fm_model *model, const char *path, const fm_load_options *options)
{
    (void)options;
    return refuse(model->context, path);
}

fm_status fm_model_file_open(fm_context *context, const char *path, fm_model_file **file)
{
    *file = NULL;
    return refuse(context, path);
}

void fm_model_file_close(fm_model_file *file)
{
    (void)file;
}

const char *fm_model_file_note(const fm_model_file *file, const char *key)
{
    (void)file;
    (void)key;
    return NULL;
}

fm_variable_info fm_model_file_variable(const fm_model_file *file, int index)
{
    (void)file;
    (void)index;
    return (fm_variable_info){0};
}

fm_status fm_event_watch_open(fm_model *model, const char *folder, const fm_dataset *data,
                              bool has_validation, fm_event_watch **watch, fm_callback *callback)
{
    (void)data;
    (void)has_validation;
    (void)callback;
    *watch = NULL;
    return refuse(model->context, folder);
}

void fm_event_watch_close(fm_event_watch *watch)
{
    (void)watch;
}

void fm_model_file_position(const fm_model_file *file, uint64_t *step, int64_t *epoch,
                            int64_t *batch)
{
    (void)file;
    *step = 0;
    *epoch = *batch = 0;
}

#endif
