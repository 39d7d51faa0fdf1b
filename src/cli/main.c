/* fathom: trains, explains and runs neural networks. */
#include "cli/arguments.h"
#include "cli/brief_waiting.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include "cli/trial_worker.h"
#include "cli/unfinished_file.h"

#include <signal.h>
#include <string.h>

static const char *const train_examples[] = {
    "fathom train recipes/strokes-mlp.yaml",
    "train, then save strokes-mlp.safetensors; the data is drawn, no file is needed",
    "fathom train recipes/mnist-mlp.yaml --data ~/data --epochs 20",
    "find MNIST below ~/data; change the number of epochs",
    "fathom train my.yaml --set model.1.dense.units=64 --set optimizer.adam.learning_rate=3e-4",
    "try other numbers without editing the file",
    "fathom train my.yaml --resume my.safetensors",
    "go on after Ctrl-C or a power cut, with the same bits as without it",
    "fathom train my.yaml --gradients",
    "see in which layers the gradient vanishes or explodes",
    "fathom train my.yaml --folds 5",
    "cross-validate: each fold's figures, their mean and deviation",
    "fathom train my.yaml --json | tail -1",
    "the figures for a script",
    NULL,
};
static const char train_notes[] =
    "RECIPE is a YAML file: data, model, loss, optimizer, metrics, train. 'fathom show layers' and "
    "its like list what can stand in it.\n"
    "Ctrl-C finishes the step, saves and tells how to go on; pressed twice it ends at once.\n"
    "Results are printed on stdout, progress on stderr. With --json each line of stdout is an "
    "object with \"event\": start, epoch, gradients, and at last end.";

static const char *const tune_examples[] = {
    "fathom tune recipes/search/strokes-hyperband.yaml",
    "search for a good learning rate, width and optimizer; the data is drawn, no file is needed",
    "fathom tune my-search.yaml --jobs 4 --data ~/data",
    "four trials at once, which divide the processors",
    "fathom tune my-search.yaml",
    "again: go on where it was when it was stopped, killed, or given a larger budget",
    "fathom train my-search.search/best.yaml",
    "train the best recipe that was found",
    NULL,
};
static const char tune_notes[] =
    "SEARCH is a YAML file: recipe, space, method, and how much may be spent; docs/tuning.md tells "
    "the format, 'fathom show searches' the methods. The folder of the search holds trials.csv, "
    "best.yaml and the journal.\n"
    "Trials are trained by processes of their own. One that fails is recorded with its reason and "
    "the search goes on. The same seed proposes the same trials, however many run at once.\n"
    "With --json each line of stdout is an object with \"event\": start, trial, and at last end.";

static const char *const eval_examples[] = {
    "fathom eval strokes-mlp.safetensors",
    "loss and metrics on the test data of the recipe that made the model",
    "fathom eval mnist-mlp.safetensors --data ~/data --json",
    "the same as one JSON object",
    "fathom eval airline.safetensors --plot test.png",
    "a time series: errors in its own unit and as a share of a naive forecast's, and a chart",
    NULL,
};
static const char eval_notes[] =
    "The model carries its recipe and how its data was prepared. Without test data the validation "
    "part is used, and that is said.\n"
    "Of a time series the naive forecast says what the last row said; with the recipe's `season` "
    "the "
    "seasonal one says what the row a season earlier said. MASE is the mean absolute error over "
    "that "
    "of the naive forecast (the seasonal one, with a season) on the rows before the test part.";

static const char *const predict_examples[] = {
    "fathom predict strokes-mlp.safetensors --sample 0-4 --picture",
    "five samples of the test data, drawn, with the three most probable classes",
    "fathom predict iris.safetensors flowers.csv",
    "a prediction for each line; columns are found by their names",
    "echo 5.1,3.5,1.4,0.2 | fathom predict iris.safetensors -",
    "a line from a pipe",
    "fathom predict mnist-mlp.safetensors digits.npy --top 1 --json",
    "images from NumPy, an object a line",
    "fathom predict airline.safetensors passengers.csv --horizon 24 --plot future.png",
    "the 24 rows that follow a time series, as CSV and as a chart; without a file: those that "
    "follow "
    "the training data's",
    NULL,
};
static const char predict_notes[] =
    "INPUT is a file of samples: .csv, .tsv or - (lines on stdin), "
    ".npy, .idx or .idx.gz, an image of any size "
    "(.png, .jpg, .pgm, .ppm), a recording of any rate and length "
    "(.wav, .mp3, .flac, .ogg, .opus, .aiff, .au), or a folder of them. They are "
    "prepared as the training data was, without augmentation. Where a model has a class for each "
    "pixel or step, told is what share each class has; with --json all of them.\n"
    "A time series is one CSV file; forecasts are CSV too: time, "
    "column, forecast. Beyond what the model does at once it "
    "reads its own forecasts. Rows of the file whose targets are "
    "empty may tell other inputs of the future.";

static const char *const explain_examples[] = {
    "fathom explain strokes-cnn.safetensors --sample 0-4 --method integrated_gradients,grad_cam",
    "where five digits of the test data have what made them these digits: explanation.png",
    "fathom explain mnist-cnn.safetensors three.png --class 8 --out why-not-8.png",
    "what in an image of your own speaks for an 8, and what against it",
    "fathom explain reviews.safetensors --text 'not bad at all' --out page.html",
    "what each word adds, coloured in the terminal and on a page",
    "fathom explain shakespeare-gpt.safetensors --text 'ROMEO: what' -m attention -o heads.html",
    "what each head of each layer looks at",
    "fathom explain iris.safetensors",
    "which columns the model lives on: what shuffling each one takes away",
    NULL,
};
static const char explain_notes[] =
    "Explained is the output before softmax or sigmoid. Orange speaks for it, blue against it; of "
    "saliency and smoothgrad only the size counts.\n"
    "saliency: the gradient (Simonyan et al. 2014). gradient_x_input: times the input. smoothgrad: "
    "the mean of noisy copies (Smilkov et al. 2017). integrated_gradients: on the way from a "
    "baseline of zeros; the numbers add up to the difference of the outputs, and the gap is told "
    "(Sundararajan et al. 2017). occlusion: how the output falls when a part is covered (Zeiler, "
    "Fergus 2014). grad_cam: where a convolutional layer speaks for the output (Selvaraju et al. "
    "2017). permutation: how much worse the scores on the evaluation set become when a column is "
    "shuffled (Breiman 2001).\n"
    "Tokens are explained by the output of the layer embedding; occlusion works without one. What "
    "the vocabulary does not know is shown as it was written, in brackets: [word?].\n"
    "attention: the weights of the softmax of each layer and head, as they are (Vaswani et al. "
    "2017): "
    "texts with each token in the color of the weight that it has, matrices on a page or as PNG. "
    "What a "
    "head looks at is no proof of what the output comes from (Jain, Wallace 2019).";

static const char *const embed_examples[] = {
    "fathom embed strokes-cnn.safetensors -o map.png",
    "the test data as the last layer sees it, in two dimensions, a color a class",
    "fathom embed strokes-autoencoder.safetensors --method pca",
    "what an autoencoder keeps of its input, by principal components",
    "fathom embed mnist-mlp.safetensors --layer dense --features features.npy --limit 10000",
    "the features of ten thousand samples, for other programs",
    NULL,
};
static const char embed_notes[] =
    "Without INPUT the test data of the recipe is mapped, else its validation or its training "
    "part. "
    "INPUT is a file or a folder, as for 'fathom predict'. Colors are classes of the data; where "
    "it "
    "names none, its numbers, else the classes that the model says.\n"
    "t-SNE (van der Maaten, Hinton 2008; above 1,000 samples Barnes-Hut, van der Maaten 2014) "
    "shows "
    "who is near whom: the distance between groups and their size mean nothing. PCA (Pearson 1901) "
    "keeps distances as far as two directions can.\n"
    "How many of a sample's 10 nearest have its class is told for the features and for the map: a "
    "map that shows far less than the features have is a bad one.";

static const char *const privacy_examples[] = {
    "fathom privacy --samples 60000 --batch-size 256 --epochs 15 --noise-multiplier 1.1",
    "the epsilon that such a training spends at delta 1e-5",
    "fathom privacy --samples 60000 --batch-size 256 --epochs 15 --epsilon 3",
    "the least noise with which it spends no more than 3",
    NULL,
};
static const char privacy_notes[] =
    "For training with the recipe's `train: {privacy: ...}`: clipped gradients of single examples "
    "plus normal noise, batches drawn example by example (DP-SGD). Neighbours differ by one "
    "example "
    "that is there or not. The figures are those of the Renyi accountant; nothing is trained.";

static const char *const report_examples[] = {
    "fathom report strokes-cnn.safetensors -o report.html",
    "curves, scores, confusion, calibration, mistakes, layers, filters, recipe on one page",
    "fathom report first.safetensors second.safetensors third.csv",
    "the histories of three runs compared",
    NULL,
};
static const char report_notes[] =
    "RUN is a saved model (its history is in the file) or the CSV of a history. The page is one "
    "file: it "
    "loads nothing, and reads on a phone, in dark and light, on paper and by keyboard. A model is "
    "evaluated on its test part, or its validation part, when the data is found.\n"
    "Calibration: how often the model is right when it is so sure (Guo et al. 2017).";

static const char *const check_examples[] = {
    "fathom check recipes/iris.yaml",
    "look at data and model, make a few steps, tell what an epoch takes; nothing is saved",
    "fathom check my.yaml --set optimizer.adam.learning_rate=0.1 --json",
    "findings for a script, an object a line",
    NULL,
};
static const char check_notes[] =
    "Looked at: files that cannot be read, NaN and infinite numbers, missing values, constant "
    "columns, "
    "the scale of inputs and targets, labels that the last layer does not know, the balance of "
    "classes, classes and ranges that are tested and not trained, test samples that are training "
    "samples, equal samples with different labels, the loss of the first steps, memory and time.\n"
    "With errors the exit status is 10. With --json each finding is an object with \"event\": "
    "finding; "
    "the last object has \"event\": check.";

static const char *const generate_examples[] = {
    "fathom generate shakespeare-lstm.safetensors --prompt 'ROMEO:' --length 500",
    "go on with a text, as it comes",
    "fathom generate grammar.safetensors --temperature 0.5 --count 3 --seed 7",
    "three careful texts; the same ones with the same seed",
    "fathom generate grammar.safetensors --temperature 0",
    "always the most probable token",
    "fathom generate shakespeare-lstm.safetensors --top-k 20 --top-p 0.9 --json",
    "draw from the probable tokens only; an object a text, with characters per second",
    "fathom generate strokes-vae.safetensors --count 40 --seed 1 --out digits.png",
    "new pictures from a variational autoencoder",
    NULL,
};
static const char generate_notes[] =
    "MODEL was trained on a running text (data set 'text' or 'grammar'), or it is a variational "
    "autoencoder (layer gaussian_sample), of which --count, --seed, --temperature and --out are "
    "heeded. A text's vocabulary is in the file. Each token is printed as soon as it is drawn. "
    "What the vocabulary does not know of the "
    "prompt is named on stderr. Attention looks back on --context tokens; when they are used up, "
    "it "
    "begins anew with the last half of them.";

static const char *const show_examples[] = {
    "fathom show recipes/mnist-mlp.yaml",
    "layers, output shapes, parameters, FLOPs; the memory that training will take",
    "fathom show mnist-mlp.safetensors --json",
    "the same of a saved model, as one object",
    "fathom show recipes/mnist-mlp.yaml --why",
    "the compiled program, and why each kernel was chosen",
    "fathom show recipes/strokes-mlp.yaml --samples strokes.png",
    "a picture of training samples as the network will see them, augmented",
    "fathom show layers",
    "all layers with their options; 'show layers dense' is one of them; also ops, losses, "
    "optimizers, schedules, metrics, "
    "initializers, activations, datasets, augmentations, zoo, recipe, searches",
    NULL,
};

static const char *const help_examples[] = {
    "fathom help train",
    "the same as fathom train --help",
    "fathom help exit-codes",
    "what the exit status means",
    NULL,
};

const command command_table[] = {
    {"train", FOR_TRAIN, "RECIPE", "fit the model of a recipe and save it", train_examples,
     train_notes, 0, 1, "a recipe is needed: fathom train recipes/strokes-mlp.yaml", train_run},
    {"tune", FOR_TUNE, "SEARCH", "search for a recipe's best hyper-parameters", tune_examples,
     tune_notes, 1, 1, "a search is needed: fathom tune recipes/search/strokes-hyperband.yaml",
     tune_run},
    {"eval", FOR_EVAL, "MODEL", "measure a saved model on its test data", eval_examples, eval_notes,
     1, 1, "a saved model is needed: fathom eval strokes-mlp.safetensors", eval_run},
    {"predict", FOR_PREDICT, "MODEL [INPUT]...", "say what a saved model makes of new data",
     predict_examples, predict_notes, 1, -1,
     "a saved model is needed: fathom predict strokes-mlp.safetensors --sample 0", predict_run},
    {"explain", FOR_EXPLAIN, "MODEL [INPUT]...", "show what a prediction comes from",
     explain_examples, explain_notes, 1, -1,
     "a saved model is needed: fathom explain strokes-cnn.safetensors --sample 0", explain_run},
    {"embed", FOR_EMBED, "MODEL [INPUT]", "draw what a layer makes of data as a map of points",
     embed_examples, embed_notes, 1, 2,
     "a saved model is needed: fathom embed strokes-cnn.safetensors", embed_run_command},
    {"report", FOR_REPORT, "RUN...", "write a page about runs and their models", report_examples,
     report_notes, 1, -1, "a saved model is needed: fathom report strokes-cnn.safetensors",
     report_run_command},
    {"generate", FOR_GENERATE, "MODEL", "go on with a text, token by token; or draw new pictures",
     generate_examples, generate_notes, 1, 1,
     "a saved model is needed: fathom generate shakespeare-lstm.safetensors", generate_run},
    {"privacy", FOR_PRIVACY, "", "say what a private training spends, or which noise it takes",
     privacy_examples, privacy_notes, 0, 0, "", privacy_run},
    {"check", FOR_CHECK, "RECIPE", "look for mistakes before a training, and tell what it takes",
     check_examples, check_notes, 1, 1, "a recipe is needed: fathom check recipes/iris.yaml",
     check_run},
    {"show", FOR_SHOW, "RECIPE|MODEL|TABLE [NAME]",
     "explain a recipe or a model, or list what there is", show_examples, NULL, 1, 2,
     "a recipe, a saved model or the name of a table is needed: fathom show layers", show_run},
    {"help", FOR_HELP, "[COMMAND|exit-codes]", "print help", help_examples, NULL, 0, 1, NULL,
     help_run},
    {0},
};

int main(int count, char **words)
{
    arguments given;
    int code = EXIT_USAGE;
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is a full disk: told by who writes */
    unfinished_file_guard();
    if (count > 1 && strcmp(words[1], trial_worker_word) == 0) return trial_worker_run();
    if (arguments_parse(count, words, &given, stderr)) {
        code = EXIT_DONE;
        if (given.version) {
            printf("fathom %s\n", FM_VERSION);
        } else if (given.help && given.command) {
            help_command(stdout, given.command);
        } else if (given.help) {
            help_program(stdout);
        } else {
            choose_brief_waiting(words);
            code = given.command->run(&given);
        }
    }
    arguments_release(&given);
    bool lost = ferror(stdout) != 0; /* of a line that was flushed: fclose does not know */
    lost = fclose(stdout) != 0 || lost;
    if (lost && code == EXIT_DONE) {
        fprintf(stderr, "fathom: stdout cannot be written\n");
        code = exit_code_of(FM_ERROR_IO);
    }
    return code;
}
