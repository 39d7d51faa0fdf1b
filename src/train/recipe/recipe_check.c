/* fm_recipe_check: what cannot be opened or built becomes a finding, the rest is fm_check's. */
#include "base/context.h"
#include "train/check_inside.h"
#include "train/model.h"
#include "train/recipe/recipe_inside.h"

/* A failure's words as a finding; no memory stays a failure. */
static fm_status report(fm_check_record *record, fm_status status, fm_check_kind check,
                        const char *advice)
{
    if (status == FM_OK || status == FM_ERROR_MEMORY) return status;
    status = fm_check_add(record, FM_FINDING_ERROR, check, "%s\n%s",
                          fm_error_message(record->context), advice);
    fm_error_clear(record->context);
    return status;
}

static fm_status open_data(fm_recipe *recipe, const fm_data_places *places, fm_check_record *record,
                           fm_recipe_data *data)
{
    record->report.done[FM_CHECK_DATA] = true;
    fm_status status = fm_recipe_open_data(recipe, places, NULL, data);
    return report(record, status, FM_CHECK_DATA, "");
}

/* With weights of start_from; NULL where it cannot be made, or does not fit the data. */
static fm_status open_model(fm_recipe *recipe, const fm_recipe_data *data, fm_check_record *record,
                            fm_model **model)
{
    *model = NULL;
    if (!data->transform && !fm_recipe_says_input(recipe)) return FM_OK;
    record->report.done[FM_CHECK_MODEL] = true;
    fm_status status = fm_recipe_create_model(recipe, data->transform, model);
    if (status == FM_OK) status = fm_recipe_start(recipe, *model);
    if (status == FM_OK && data->train) status = fm_model_check_data(*model, data->train, true);
    if (status == FM_OK) return FM_OK;
    fm_model_destroy(*model);
    *model = NULL;
    return report(record, status, FM_CHECK_MODEL, "");
}

static fm_status look(fm_recipe *recipe, const fm_data_places *places,
                      const fm_check_options *options, fm_check_record *record,
                      fm_recipe_data *data)
{
    fm_model *model = NULL;
    fm_status status = open_data(recipe, places, record, data);
    if (status == FM_OK) status = open_model(recipe, data, record, &model);
    if (status == FM_OK && data->train) {
        const fm_check_input input = {
            .prepared = {data->train, data->validation, data->test},
            .raw = {data->raw_train, data->raw_validation, data->raw_test},
            .transform = data->transform,
            .model = model,
            .fit = &recipe->settings.fit};
        status = fm_check_into(record, &input, options);
    }
    fm_model_destroy(model);
    return status;
}

fm_status fm_recipe_check(fm_recipe *recipe, const fm_data_places *places,
                          const fm_check_options *options, fm_check_report **report_made)
{
    fm_check_record *record;
    fm_recipe_data data = {0};
    *report_made = NULL;
    fm_status status = fm_check_record_create(recipe->context, &record);
    if (status != FM_OK) return status;
    status = look(recipe, places, options, record, &data);
    fm_recipe_data_close(&data);
    fm_check_record_finish(record);
    if (status != FM_OK) {
        fm_check_report_destroy(&record->report);
        return status;
    }
    *report_made = &record->report;
    return FM_OK;
}
