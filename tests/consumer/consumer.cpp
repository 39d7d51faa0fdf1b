// Somebody else's program in C++20: trains exclusive or, by layers and a model, and looks at the
// result.
#include <fathom/fathom.h>

#include <cstdio>

static_assert(FM_SHAPE().rank == 0 && FM_SHAPE(2, 3).rank == 2 && FM_SHAPE(2, 3).dims[1] == 3);

static fm_val network(fm_graph *g, fm_val x, void *)
{
    x = fm_dense(g, x, .units = 8, .activation = FM_TANH, .kernel_initializer = {"he_normal"});
    x = fm_dropout(g, x, .rate = 0.0);
    return fm_dense(g, x, .units = 1);
}

static fm_status train(fm_context *context, fm_model **model, fm_dataset **data, fm_scores *scores)
{
    static const float x[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, y[4][1] = {{0}, {1}, {1}, {0}};
    const void *arrays[] = {x, y};
    fm_dataset_info info = {};
    info.name = "xor";
    info.count = 4;
    info.field_count = 2;
    info.fields[0] = {"x", FM_F32, FM_SHAPE(2), nullptr};
    info.fields[1] = {"y", FM_F32, FM_SHAPE(1), nullptr};
    fm_status status = fm_dataset_from_arrays(context, &info, arrays, true, data);
    if (status != FM_OK) return status;
    status = fm_model_create(context,
                             FM_OPTIONS(fm_model_options, .build = network,
                                        .input_shape = FM_SHAPE(2), .loss = FM_BINARY_CROSSENTROPY,
                                        .optimizer = {.rule = FM_ADAM, .learning_rate = 0.05}),
                             model);
    if (status != FM_OK) return status;
    status = fm_fit(*model, *data,
                    FM_OPTIONS(fm_fit_options, .epochs = 300, .batch_size = 4,
                               .early_stopping = FM_OPTIONS(fm_early_stopping, .monitor = "loss",
                                                            .patience = 300)));
    return status == FM_OK ? fm_evaluate(*model, *data, nullptr, scores) : status;
}

int main()
{
    fm_context *context;
    fm_model *model = nullptr;
    fm_dataset *data = nullptr;
    fm_scores scores = {};
    if (fm_context_create(nullptr, &context) != FM_OK) return 1;
    fm_status status = train(context, &model, &data, &scores);
    if (status != FM_OK) std::fprintf(stderr, "%s\n", fm_error_message(context));
    std::printf("fathom %s: loss %g\n", FM_VERSION, scores.loss);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
    fm_context_destroy(context);
    return status == FM_OK && scores.loss < 0.1 ? 0 : 1;
}
