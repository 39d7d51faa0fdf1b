/* fathom explain: pictures, tables, objects, messages. */
#include "support/program_run.h"
#include "fathom/image.h"

#include <jansson.h>

static const char images[] = "data: {set: strokes, train_size: 300, test_size: 20, scale: 255}\n"
                             "model:\n"
                             "  - reshape: [28, 28, 1]\n"
                             "  - conv2d: {filters: 4, kernel_size: 3, activation: relu}\n"
                             "  - max_pooling2d\n"
                             "  - flatten\n"
                             "  - dense: 10\n"
                             "loss: sparse_categorical_crossentropy\n"
                             "optimizer: adam\n"
                             "metrics: [accuracy]\n"
                             "train: {epochs: 2}\n";
static const char table[] = "data: {set: csv, file: t.csv, test_split: 0.25}\n"
                            "model: [{dense: {units: 8, activation: relu}}, {dense: 2}]\n"
                            "loss: sparse_categorical_crossentropy\n"
                            "optimizer: {adam: {learning_rate: 0.05}}\n"
                            "metrics: [accuracy]\n"
                            "train: {batch_size: 8, epochs: 20}\n";
static const char masks[] = "data: {set: strokes_masks, train_size: 8, test_size: 8, scale: 255}\n"
                            "model:\n"
                            "  - reshape: [28, 28, 1]\n"
                            "  - conv2d: {filters: 11, kernel_size: 1}\n"
                            "loss: sparse_categorical_crossentropy\n"
                            "optimizer: sgd\n";

static void train(fixture *f, const char *name, const char *recipe)
{
    char line[256];
    char text[8192] = "noise,town,decides,kind\n";
    for (int i = 0; i < 120; i++) {
        double decides = sin(12.9898 * i);
        snprintf(text + strlen(text), 64, "%.5f,%s,%.5f,%s\n", cos(7.1 * i),
                 i % 3 ? "Rome" : "Oslo", decides, decides > 0 ? "up" : "down");
    }
    fixture_file(f, "t.csv", text, strlen(text));
    fixture_file(f, "r.yaml", recipe, strlen(recipe));
    snprintf(line, sizeof line, "cd $HERE && $FATHOM train r.yaml -q --out %s.safetensors", name);
    program_run_well(f, line);
}

static void images_become_a_picture(void **state)
{
    fixture *f = *state;
    fm_image image;
    train(f, "m", images);
    const program_result *r =
        program_run(f, "cd $HERE && $FATHOM explain m.safetensors --sample 0-2 -m "
                       "saliency,integrated_gradients,grad_cam --steps 8");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "test 0  "));
    assert_non_null(strstr(r->out, "  saliency: score "));
    assert_non_null(strstr(r->out, ", attributed "));
    assert_non_null(strstr(r->out, ", layer max_pooling2d\n"));
    assert_string_equal(r->err, "written: explanation.png\n");
    assert_ok(f->context,
              fm_image_read(f->context, fixture_path(f, "explanation.png"), NULL, &image));
    assert_int_equal(image.width, 6 + 4 * (112 + 6)); /* the input and three maps */
    assert_int_equal(image.height, 6 + 3 * (112 + 22 + 6));
    int coloured = 0; /* maps are, the input is not */
    for (int64_t i = 0; i < image.height * image.width; i++) {
        const uint8_t *p = image.pixels + 3 * i;
        bool grey = p[0] == p[1] && p[1] == p[2];
        if (i % image.width < 118 && !grey) fail_msg("pixel %d of an input is no grey", (int)i);
        coloured += !grey;
    }
    assert_true(coloured > 10000);
    fm_image_release(f->context, &image);
}

static void integrated_gradients_add_up(void **state)
{
    fixture *f = *state;
    train(f, "m", images);
    const program_result *r =
        program_run(f, "cd $HERE && $FATHOM explain m.safetensors --sample 0-9 --json --quiet");
    assert_int_equal(r->code, 0);
    int count = 0;
    for (char *line = strtok((char *)(uintptr_t)r->out, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        json_t *method = json_array_get(json_object_get(object, "methods"), 0);
        assert_string_equal(json_string_value(json_object_get(method, "method")),
                            "integrated_gradients");
        double gap = json_number_value(json_object_get(method, "gap"));
        assert_true(json_object_get(method, "gap") && gap <= 0.01);
        assert_int_equal(json_array_size(json_object_get(method, "map")), 784);
        json_decref(object);
        count++;
    }
    assert_int_equal(count, 10);
}

static void tables_are_told_column_by_column(void **state)
{
    fixture *f = *state;
    train(f, "m", table);
    const program_result *r = program_run(f, "cd $HERE && $FATHOM explain m.safetensors --json");
    assert_int_equal(r->code, 0);
    json_t *first = json_loads(strtok((char *)(uintptr_t)r->out, "\n"), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(first, "event")), "importance");
    assert_string_equal(json_string_value(json_object_get(first, "column")), "decides");
    json_t *accuracy = json_object_get(json_object_get(first, "accuracy"), "mean");
    assert_true(json_number_value(accuracy) > 0.3);
    json_decref(first);
    r = program_run(f, "cd $HERE && $FATHOM explain m.safetensors --repeats 2");
    assert_non_null(strstr(r->out, "test part, 30 samples, 2 shuffles of each column"));
    r = program_run(f, "cd $HERE && $FATHOM explain m.safetensors --sample 0 --class up");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "test 0  up "));
    assert_non_null(strstr(r->out, "    decides  "));
    assert_non_null(strstr(r->out, "    town=Rome "));
    r = program_run(f, "cd $HERE && $FATHOM explain m.safetensors --sample 0 -m occlusion");
    assert_int_equal(r->code, 0);
}

static void texts_are_coloured_on_a_page(void **state)
{
    static const char texts[] =
        "data: {set: text_classes, file: texts.tsv, vocabulary: words, length: 8}\n"
        "model: [{embedding: {input_dim: 16, output_dim: 4, mask_zero: true}},\n"
        "        global_average_pooling, {dense: 2}]\n"
        "loss: sparse_categorical_crossentropy\n"
        "optimizer: {adam: {learning_rate: 0.1}}\n"
        "train: {epochs: 40, batch_size: 4}\n";
    static const char lines[] = "good\tI love this film\nbad\tI hate this film\n"
                                "good\tlove this\nbad\thate film\n"
                                "good\tlove film & this\nbad\thate this\n";
    fixture *f = *state;
    fixture_file(f, "texts.tsv", lines, strlen(lines));
    train(f, "t", texts);
    const program_result *r = program_run(
        f, "cd $HERE && $FATHOM explain t.safetensors --text 'this film & I love' -o p.html "
           "-m integrated_gradients,occlusion && cat p.html");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "text 0  good "));
    char *first = strstr(r->out, "  integrated_gradients: score ");
    assert_non_null(first);
    first = strchr(first, '\n') + 1; /* the token that says most */
    assert_memory_equal(strchr(first, '\n') - 6, "  love", 6);
    assert_non_null(strstr(r->out, ">love</span>"));
    assert_non_null(strstr(r->out, ">&amp;</span>"));
    assert_non_null(strstr(r->out, "<h3>occlusion</h3>"));
    /* what is not known is shown as it was written: on the page, in the list and in colours */
    static const program_case unknown[] = {
        {"$FATHOM explain t.safetensors --text 'I love Zyzzyva <b>' -o p.html -q -m occlusion", 0,
         "  [Zyzzyva?]\n"},
        {"cat p.html", 0, ">love</span> <span class="},
        {"cat p.html", 0, ">[Zyzzyva?]</span>"},
        {"cat p.html", 0, ">[&lt;?]</span>"},
        {"printf 'good\\tone of a film Zyzzyva that is longer than eight words\\n' >x.tsv; "
         "$FATHOM explain t.safetensors x.tsv -q -m occlusion",
         0, "  [Zyzzyva?]\n"},
    };
    check_program(f, "cd $HERE && ", unknown, sizeof unknown / sizeof unknown[0]);
}

static const char talk[] = "data: {set: grammar, vocabulary: characters, length: 24}\n"
                           "model:\n"
                           "  - embedding: {name: tokens, input_dim: 28, output_dim: 8}\n"
                           "  - transformer_decoder: {intermediate_dim: 8, num_heads: 2}\n"
                           "  - reverse_embedding: tokens\n"
                           "loss: sparse_categorical_crossentropy\n"
                           "optimizer: adam\n";

/* Rows of a causal matrix have the sum 1 and nothing above the diagonal, as they are told. */
static void check_causal(const json_t *head, size_t side)
{
    assert_int_equal(json_array_size(head), side);
    for (size_t q = 0; q < side; q++) {
        const json_t *row = json_array_get(head, q);
        double sum = 0;
        for (size_t k = 0; k < side; k++) {
            double w = json_number_value(json_array_get(row, k));
            assert_true(k <= q || w == 0);
            sum += w;
        }
        assert_near(sum, 1, 1e-5);
    }
}

static void attention_is_told_and_drawn(void **state)
{
    fixture *f = *state;
    fm_image image;
    train(f, "talk", talk);
    const program_result *r = program_run_well(
        f, "cd $HERE && $FATHOM explain talk.safetensors --text 'the <fox' -m attention --json -q");
    json_t *object = json_loads(r->out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(object, "count")), 8);
    const json_t *tokens = json_object_get(object, "tokens");
    assert_string_equal(json_string_value(json_array_get(tokens, 0)), "t");
    assert_string_equal(json_string_value(json_array_get(tokens, 4)), "[<?]");
    json_t *map = json_array_get(json_object_get(object, "maps"), 0);
    assert_string_equal(json_string_value(json_object_get(map, "layer")),
                        "transformer_decoder/self_attention");
    assert_true(json_is_true(json_object_get(map, "causal")));
    assert_int_equal(json_array_size(json_object_get(map, "heads")), 2);
    check_causal(json_array_get(json_object_get(map, "heads"), 1), 24);
    json_decref(object);
    r = program_run_well(
        f, "cd $HERE && $FATHOM explain talk.safetensors --text 'the fox' -m attention -o a.png");
    assert_non_null(strstr(r->out, "text\n  transformer_decoder/self_attention head 0: a query "
                                   "looks at "));
    assert_non_null(strstr(r->out, " of 7 keys, up to itself\n"));
    assert_ok(f->context, fm_image_read(f->context, fixture_path(f, "a.png"), NULL, &image));
    assert_int_equal(image.width, 6 + 2 * (147 + 6)); /* 7 keys of 21 pixels */
    const uint8_t *corner = image.pixels + 3 * (40 * image.width + 10), *above = corner + 3 * 130;
    assert_true(corner[0] > 2 * above[0]); /* the first token sees itself alone */
    fm_image_release(f->context, &image);
    r = program_run_well(f, "cd $HERE && $FATHOM explain talk.safetensors --text 'the fox' "
                            "-m attention -q -o a.html && cat a.html");
    assert_non_null(strstr(r->out, "<h3>transformer_decoder/self_attention (causal)</h3>"));
    assert_non_null(strstr(r->out, "<th scope=row>x<td style=\"--a:"));
    assert_null(strstr(r->out, "http"));
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    train(f, "talk", talk);
    train(f, "masks", masks);
    train(f, "table", table);
    train(f, "images", images);
    static const program_case cases[] = {
        {"images.safetensors --sample 0 -m grad-cam", 3,
         "there is no 'grad-cam'; did you mean 'grad_cam'?"},
        {"images.safetensors --sample 0 -m lime", 3, "there is no 'lime'; methods are saliency"},
        {"images.safetensors --sample 0 -m permutation,saliency", 3,
         "permutation looks at a whole set"},
        {"images.safetensors --sample 0 -m occlusion --layer dense", 3, "--layer is for grad_cam"},
        {"images.safetensors --sample 0 -m saliency --steps 9", 3,
         "--steps is for integrated_gradients and smoothgrad"},
        {"table.safetensors --sample 0 --repeats 3", 3, "--repeats is for permutation"},
        {"table.safetensors --class up", 3, "--class is for methods that explain an output"},
        {"images.safetensors --sample 0 --class 10", 3,
         "--class '10': the model has the 10 classes 0 to 9"},
        {"images.safetensors --sample 0 -m grad_cam --layer dense", 5,
         "no layer 'dense' with an output"},
        {"images.safetensors -m saliency", 3, "what shall be explained?"},
        {"images.safetensors", 3, "permutation importance is for tables"},
        {"images.safetensors --sample 0 -m attention", 8,
         "attention: the model has no layer with attention; the layers are reshape"},
        {"images.safetensors -m attention", 3, "what shall be explained?"},
        {"images.safetensors --sample 0 -m attention,saliency", 3,
         "attention looks at layers, the others at the output"},
        {"talk.safetensors -m attention", 3, "the model goes on with a text: give one"},
        {"talk.safetensors -m attention --text 'the fox that the child sees'", 3,
         "--text: has 27 tokens, the model reads 1 to 24 at once"},
        {"images.safetensors --text word", 3, "--text: the model does not read texts"},
        {"table.safetensors --sample 0 -m grad_cam", 8, "grad_cam: samples are (4)"},
        {"table.safetensors --sample 0 --out x.png", 3, "--out is for images and texts"},
        {"table.safetensors --sample 0 --class sideways", 3,
         "the model has the 2 classes down to up"},
        {"masks.safetensors --sample 0", 8, "explained is one prediction a sample"},
    };
    check_program(f, "cd $HERE && $FATHOM explain ", cases, sizeof cases / sizeof *cases);
    const program_result *r = program_run(f, "$FATHOM explain");
    assert_int_equal(r->code, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(images_become_a_picture),          fixture_test(integrated_gradients_add_up),
        fixture_test(tables_are_told_column_by_column), fixture_test(texts_are_coloured_on_a_page),
        fixture_test(attention_is_told_and_drawn),      fixture_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
