/* Losses: values and gradients.
 * Source: PyTorch 2.13.0 and Keras 3.15.1, f64.
 * Made by tests/golden/generate_losses.py; do not edit.
 *
 * `value` is the mean over the batch (of elementwise losses: over all elements, which is the same)
 * and `gradient` its derivative with respect to `prediction`. Fields that a case lacks are 0.
 *
 * Formulas, for a row with target y, prediction p, K columns, logits z; sums, means over columns:
 * mean_squared_error        mean (p - y)^2
 * mean_absolute_error       mean |p - y|; gradient 0 where p = y
 * huber                     e = p - y; mean of |e| <= delta ? e^2 / 2 : delta |e| - delta^2 / 2
 * log_cosh                  mean log cosh(p - y)
 * binary_crossentropy       mean -y log p - (1-y) log(1-p), p = sigmoid(z) if from_logits;
 *                           label_smoothing s: y becomes y (1-s) + s/2
 * categorical_crossentropy  - sum y log softmax(z); label_smoothing s: y becomes y (1-s) + s/K
 * sparse_categorical_crossentropy  the same for a class index: y one-hot
 * kl_divergence             sum y log(y / p); Keras clips both to [1e-7, 1]
 * hinge                     mean max(0, 1 - y p), y in {-1, 1} (Keras maps labels 0, 1 to them)
 * cosine_similarity         - sum(y p) / (|y| |p|)
 *
 * class_weights (one number a column; binary: for target 0 and 1): the loss of a row is multiplied
 * by the weight of its class, the target's largest column. Keras divides the sum by the batch size.
 * PyTorch divides by the sum of the rows' weights instead: cases with divides_by_weights = 1.
 *
 * The cases of `golden_losses_at_the_edge` fix what happens at probabilities 0 and 1: Keras clips
 * them to [1e-7, 1 - 1e-7], and the gradient of a clipped one is 0. Categorical cross-entropy of
 * probabilities in Keras divides each row by its sum first, which shows in the gradient.
 */
/* clang-format off */
#ifndef LOSSES_GOLDEN_H
#define LOSSES_GOLDEN_H

struct golden_loss {
    const char *name; /* of the case */
    const char *loss;
    int rows, columns;
    const double *prediction;    /* rows x columns */
    const double *target;        /* rows x columns; sparse: rows class indices */
    const double *class_weights; /* NULL, or columns; binary: 2 */
    double delta, label_smoothing;
    int from_logits, sparse, divides_by_weights;
    double value;
    const double *gradient; /* rows x columns */
};

/* 6 x 3 */
static const double golden_mean_squared_error_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_mean_squared_error_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_mean_squared_error_gradient[18] = {
    -0.26147777777777775, -0.1857222222222222, -0.3579555555555555, 0.03092222222222222, -0.0,
    -0.17834444444444444, 0.1111111111111111, 0.2958444444444444, -0.09957777777777778,
    -0.3697777777777778, 0.06375555555555555, -37.77777777777778, 1.111111111111111e-07,
    -0.21547777777777774, 0.03209999999999999, 0.16594444444444445, 0.10003333333333334,
    -0.2054111111111111,
};

/* 6 x 3 */
static const double golden_mean_absolute_error_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_mean_absolute_error_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_mean_absolute_error_gradient[18] = {
    -0.05555555555555555, -0.05555555555555555, -0.05555555555555555, 0.05555555555555555, -0.0,
    -0.05555555555555555, 0.05555555555555555, 0.05555555555555555, -0.05555555555555555,
    -0.05555555555555555, 0.05555555555555555, -0.05555555555555555, 0.05555555555555555,
    -0.05555555555555555, 0.05555555555555555, 0.05555555555555555, 0.05555555555555555,
    -0.05555555555555555,
};

/* 6 x 3 */
static const double golden_huber_1_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_huber_1_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_huber_1_gradient[18] = {
    -0.05555555555555555, -0.05555555555555555, -0.05555555555555555, 0.01546111111111111, 0.0,
    -0.05555555555555555, 0.05555555555555555, 0.05555555555555555, -0.04978888888888889,
    -0.05555555555555555, 0.031877777777777776, -0.05555555555555555, 5.555555555555555e-08,
    -0.05555555555555555, 0.016049999999999995, 0.05555555555555555, 0.05001666666666667,
    -0.05555555555555555,
};

/* 6 x 3 */
static const double golden_huber_05_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_huber_05_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_huber_05_gradient[18] = {
    -0.027777777777777776, -0.027777777777777776, -0.027777777777777776, 0.01546111111111111, 0.0,
    -0.027777777777777776, 0.027777777777777776, 0.027777777777777776, -0.027777777777777776,
    -0.027777777777777776, 0.027777777777777776, -0.027777777777777776, 5.555555555555555e-08,
    -0.027777777777777776, 0.016049999999999995, 0.027777777777777776, 0.027777777777777776,
    -0.027777777777777776,
};

/* 6 x 3 */
static const double golden_log_cosh_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_log_cosh_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_log_cosh_gradient[18] = {
    -0.05456060692314428, -0.05176387360710186, -0.05537902465428479, 0.015073942388703854, 0.0,
    -0.05124625801426662, 0.042310786441986936, 0.05501735546283609, -0.03969125239349362,
    -0.05541281901946826, 0.028785808239986173, -0.05555555555555555, 5.5555555551756175e-08,
    -0.05330435902034655, 0.015617892157192066, 0.05022037364748268, 0.039802439667762465,
    -0.052867965113329154,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_prediction[20] = {
    100.0, -100.0, 100.0, -100.0, 0.0, 0.0, 36.5, -36.5, -5.0059, 2.518, 4.0235, -0.5352, 1.6371,
    -1.7039, 0.1025, 0.1707, -1.2495, 1.816, 1.0917, 1.2821,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_target[20] = {
    1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.2, 0.9, 0.5,
    0.05,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_gradient[20] = {
    0.0, 1.8600379880104178e-45, 0.05, -0.05, 0.025, -0.025, 0.04999999999999999,
    -0.049999999999999996, 0.0003326870666160643, -0.0037302953737714142, 0.04912120979730758,
    -0.031534755531310826, 0.04185699737891687, -0.042302170560005986, -0.02371987058376911,
    -0.02287141613493801, 0.001139335160957443, -0.001995726691650729, 0.012435085375046612,
    0.03664035154241451,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_smoothing_prediction[20] = {
    100.0, -100.0, 100.0, -100.0, 0.0, 0.0, 36.5, -36.5, -5.0059, 2.518, 4.0235, -0.5352, 1.6371,
    -1.7039, 0.1025, 0.1707, -1.2495, 1.816, 1.0917, 1.2821,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_smoothing_target[20] = {
    1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.2, 0.9, 0.5,
    0.05,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_logits_smoothing_gradient[20] = {
    0.002499999999999997, -0.0025000000000000005, 0.0475, -0.04750000000000001,
    0.022500000000000003, -0.022500000000000006, 0.04749999999999999, -0.0475,
    -0.002167312933383936, -0.0012302953737714174, 0.04662120979730758, -0.02903475553131083,
    0.03935699737891687, -0.039802170560005984, -0.021219870583769115, -0.020371416134938015,
    -0.0003606648390425585, 4.273308349267424e-06, 0.012435085375046612, 0.03439035154241451,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_prediction[20] = {
    0.001, 0.999, 0.5, 0.0001, 0.1551, 0.976, 0.8075, 0.9289, 0.2736, 0.4306, 0.3236, 0.925, 0.9277,
    0.7707, 0.0502, 0.243, 0.6884, 0.395, 0.1154, 0.9534,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_target[20] = {
    1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.2, 0.9, 0.5,
    0.05,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_gradient[20] = {
    -49.99999999999999, 49.99999999999995, 0.1, 0.05000500050005, -0.32237266279819476,
    -0.05122950819672131, -0.06191950464396286, 0.7032348804500698, 0.06883259911894274,
    0.08781173164734808, -0.15451174289245984, 0.6666666666666671, -0.053896733857928224,
    0.21805494984736162, 0.05264266161297115, -0.205761316872428, 0.11384326663230547,
    -0.10565958782299405, -0.18837642056196713, 1.0166911104688803,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_smoothing_prediction[20] = {
    0.001, 0.999, 0.5, 0.0001, 0.1551, 0.976, 0.8075, 0.9289, 0.2736, 0.4306, 0.3236, 0.925, 0.9277,
    0.7707, 0.0502, 0.243, 0.6884, 0.395, 0.1154, 0.9534,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_smoothing_target[20] = {
    1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.2, 0.9, 0.5,
    0.05,
};

/* 5 x 4 */
static const double golden_binary_crossentropy_probabilities_smoothing_gradient[20] = {
    -44.994994994995, 44.994994994994954, 0.08000000000000002, -49.95499549954995,
    -0.28421753641658803, 0.1622267759562839, -0.0297535282055406, 0.6275286816719376,
    0.04367448540587887, 0.06741885388437825, -0.13166849290835875, 0.5945945945945951,
    0.02064923275054783, 0.18976184619518024, -0.05222319817382398, -0.17858016537012575,
    0.09985760734086745, -0.08892143529657916, -0.18837642056196713, 0.9154046372098598,
};

/* 5 x 1 */
static const double golden_binary_crossentropy_class_weights_prediction[5] = {
    2.3, 0.3, 0.199882, 0.332742, 0.27501,
};

/* 5 x 1 */
static const double golden_binary_crossentropy_class_weights_target[5] = {
    1.0, 0.0, 0.0, 1.0, 1.0,
};

/* 2 */
static const double golden_binary_crossentropy_class_weights_class_weights[2] = {
    0.5, 2.0,
};

/* 5 x 1 */
static const double golden_binary_crossentropy_class_weights_gradient[5] = {
    -0.03644918440594247, 0.0574442516811659, 0.05498047901851819, -0.16702944090921937,
    -0.1726710252798518,
};

/* 6 x 5 */
static const double golden_categorical_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 x 5 */
static const double golden_categorical_target[30] = {
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0,
};

/* 6 x 5 */
static const double golden_categorical_gradient[30] = {
    0.0004964294140109955, 0.0786325729135818, 0.007489380076252873, -0.08790818093302849,
    0.0012897985291828238, 0.03333333333333333, -0.13333333333333333, 0.03333333333333333,
    0.03333333333333333, 0.03333333333333333, 0.12184309643833414, 1.6861823796785791e-88,
    2.3500485373089042e-23, 4.532655759042376e-45, -0.12184309643833414, -0.08974608703473339,
    0.004821926110406875, 0.05797856980846863, 0.006426136203823313, 0.02051945491203456,
    0.053102183106734716, 0.017255277531203032, -0.16264772725240637, 0.04582904408796308,
    0.04646122252650553, 0.0984870821204443, -0.14598959590626026, 0.019658806258892082,
    0.0005781195450161634, 0.027265587981907705,
};

/* 6 x 5 */
static const double golden_categorical_soft_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 x 5 */
static const double golden_categorical_soft_target[30] = {
    0.171921, 0.030288, 0.57849, 0.025212, 0.194089, 0.067257, 0.020954, 0.134842, 0.368668,
    0.40828, 0.183935, 0.199957, 0.541156, 0.008661, 0.066291, 0.380925, 0.137458, 0.074385,
    0.216383, 0.190849, 0.302858, 0.134335, 0.039193, 0.412812, 0.110803, 0.243959, 0.113804,
    0.427381, 0.066071, 0.148786,
};

/* 6 x 5 */
static const double golden_categorical_soft_gradient[30] = {
    -0.028157070585989003, 0.0735845729135818, -0.08892561992374712, 0.07455648573363816,
    -0.03105836813748384, 0.022123866666666665, 0.029841033333333333, 0.010859700000000003,
    -0.028111299999999995, -0.034713299999999996, 0.09118726310500079, -0.033326166666666664,
    -0.09019266666666666, -0.0014435, 0.03377507022833251, 0.013433079631933275,
    -0.01808774055625979, 0.04558106980846863, -0.029637697129510015, -0.011288711754632108,
    0.0026259028755845, -0.005133871880186104, -0.00251322323346695, -0.022972910082992824,
    0.027994102321061393, 0.057827347274193086, 0.0017097581041438249, -0.051571340748968325,
    -0.010433713210197626, 0.0024679485808290205,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_target[30] = {
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_gradient[30] = {
    -0.0028369039193223387, 0.07529923958024848, 0.004156046742919539, -0.07457484759969515,
    -0.00204353480415051, 0.029999999999999995, -0.12, 0.029999999999999995, 0.029999999999999995,
    0.029999999999999995, 0.1185097631050008, -0.003333333333333334, -0.003333333333333334,
    -0.003333333333333334, -0.10850976310500081, -0.07641275370140006, 0.0014885927770735402,
    0.054645236475135285, 0.0030928028704899782, 0.01718612157870122, 0.049768849773401375,
    0.013921944197869695, -0.14931439391907303, 0.04249571075462974, 0.04312788919317219,
    0.09515374878711096, -0.13265626257292693, 0.016325472925558745, -0.0027552137883171705,
    0.023932254648574368,
};

/* 6 x 5 */
static const double golden_categorical_class_weights_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 x 5 */
static const double golden_categorical_class_weights_target[30] = {
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0,
};

/* 5 */
static const double golden_categorical_class_weights_class_weights[5] = {
    1.0, 0.5, 2.0, 3.0, 0.25,
};

/* 6 x 5 */
static const double golden_categorical_class_weights_gradient[30] = {
    0.0014892882420329864, 0.23589771874074544, 0.02246814022875862, -0.26372454279908547,
    0.0038693955875484715, 0.016666666666666666, -0.06666666666666667, 0.016666666666666666,
    0.016666666666666666, 0.016666666666666666, 0.030460774109583536, 4.215455949196448e-89,
    5.8751213432722606e-24, 1.133163939760594e-45, -0.030460774109583536, -0.08974608703473339,
    0.004821926110406875, 0.05797856980846863, 0.006426136203823313, 0.02051945491203456,
    0.10620436621346943, 0.034510555062406065, -0.32529545450481273, 0.09165808817592616,
    0.09292244505301106, 0.04924354106022215, -0.07299479795313013, 0.009829403129446041,
    0.0002890597725080817, 0.013632793990953853,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_class_weights_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_class_weights_target[30] = {
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0,
};

/* 5 */
static const double golden_categorical_smoothing_class_weights_class_weights[5] = {
    1.0, 0.5, 2.0, 3.0, 0.25,
};

/* 6 x 5 */
static const double golden_categorical_smoothing_class_weights_gradient[30] = {
    -0.008510711757967016, 0.22589771874074543, 0.012468140228758619, -0.2237245427990855,
    -0.006130604412451531, 0.014999999999999998, -0.06, 0.014999999999999998, 0.014999999999999998,
    0.014999999999999998, 0.0296274407762502, -0.0008333333333333335, -0.0008333333333333335,
    -0.0008333333333333335, -0.027127440776250202, -0.07641275370140006, 0.0014885927770735402,
    0.054645236475135285, 0.0030928028704899782, 0.01718612157870122, 0.09953769954680275,
    0.02784388839573939, -0.29862878783814606, 0.08499142150925948, 0.08625577838634438,
    0.04757687439355548, -0.06632813128646346, 0.008162736462779372, -0.0013776068941585853,
    0.011966127324287184,
};

/* 6 x 5 */
static const double golden_sparse_categorical_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 */
static const double golden_sparse_categorical_target[6] = {
    3.0, 1.0, 4.0, 0.0, 2.0, 1.0,
};

/* 6 x 5 */
static const double golden_sparse_categorical_gradient[30] = {
    0.0004964294140109955, 0.0786325729135818, 0.007489380076252873, -0.08790818093302849,
    0.0012897985291828238, 0.03333333333333333, -0.13333333333333333, 0.03333333333333333,
    0.03333333333333333, 0.03333333333333333, 0.12184309643833414, 1.6861823796785791e-88,
    2.3500485373089042e-23, 4.532655759042376e-45, -0.12184309643833414, -0.08974608703473339,
    0.004821926110406875, 0.05797856980846863, 0.006426136203823313, 0.02051945491203456,
    0.053102183106734716, 0.017255277531203032, -0.16264772725240637, 0.04582904408796308,
    0.04646122252650553, 0.0984870821204443, -0.14598959590626026, 0.019658806258892082,
    0.0005781195450161634, 0.027265587981907705,
};

/* 6 x 5 */
static const double golden_sparse_categorical_class_weights_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 */
static const double golden_sparse_categorical_class_weights_target[6] = {
    3.0, 1.0, 4.0, 0.0, 2.0, 1.0,
};

/* 5 */
static const double golden_sparse_categorical_class_weights_class_weights[5] = {
    1.0, 0.5, 2.0, 3.0, 0.25,
};

/* 6 x 5 */
static const double golden_sparse_categorical_class_weights_gradient[30] = {
    0.0014892882420329864, 0.23589771874074544, 0.02246814022875862, -0.26372454279908547,
    0.0038693955875484715, 0.016666666666666666, -0.06666666666666667, 0.016666666666666666,
    0.016666666666666666, 0.016666666666666666, 0.030460774109583536, 4.215455949196448e-89,
    5.8751213432722606e-24, 1.133163939760594e-45, -0.030460774109583536, -0.08974608703473339,
    0.004821926110406875, 0.05797856980846863, 0.006426136203823313, 0.02051945491203456,
    0.10620436621346943, 0.034510555062406065, -0.32529545450481273, 0.09165808817592616,
    0.09292244505301106, 0.04924354106022215, -0.07299479795313013, 0.009829403129446041,
    0.0002890597725080817, 0.013632793990953853,
};

/* 6 x 5 */
static const double golden_sparse_categorical_smoothing_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 */
static const double golden_sparse_categorical_smoothing_target[6] = {
    3.0, 1.0, 4.0, 0.0, 2.0, 1.0,
};

/* 6 x 5 */
static const double golden_sparse_categorical_smoothing_gradient[30] = {
    -0.0028369039193223383, 0.07529923958024848, 0.004156046742919539, -0.07457484759969515,
    -0.0020435348041505097, 0.029999999999999995, -0.12, 0.029999999999999995, 0.029999999999999995,
    0.029999999999999995, 0.1185097631050008, -0.0033333333333333335, -0.0033333333333333335,
    -0.0033333333333333335, -0.10850976310500081, -0.07641275370140006, 0.0014885927770735407,
    0.054645236475135285, 0.0030928028704899787, 0.01718612157870122, 0.049768849773401375,
    0.013921944197869695, -0.14931439391907303, 0.04249571075462974, 0.04312788919317219,
    0.09515374878711096, -0.13265626257292693, 0.016325472925558745, -0.00275521378831717,
    0.023932254648574368,
};

/* 6 x 5 */
static const double golden_sparse_categorical_divided_by_weights_prediction[30] = {
    -0.6607, 4.4044, 2.0531, 4.406, 0.2941, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0, -100.0, 50.0, 0.0, 99.0,
    1.3303, -1.4393, 1.0476, -1.1521, 0.0089, -0.2867, -1.4108, -2.8679, -0.434, -0.4203, 4.3534,
    2.7925, 2.742, -0.7845, 3.0691,
};

/* 6 */
static const double golden_sparse_categorical_divided_by_weights_target[6] = {
    3.0, 1.0, 4.0, 0.0, 2.0, 1.0,
};

/* 5 */
static const double golden_sparse_categorical_divided_by_weights_class_weights[5] = {
    1.0, 0.5, 2.0, 3.0, 0.25,
};

/* 6 x 5 */
static const double golden_sparse_categorical_divided_by_weights_gradient[30] = {
    0.0012325144071997128, 0.19522569826820313, 0.01859432294793817, -0.21825479404062245,
    0.0032022584172814936, 0.013793103448275862, -0.05517241379310345, 0.013793103448275862,
    0.013793103448275862, 0.013793103448275862, 0.025208916504482926, 3.488653199334991e-89,
    4.862169387535664e-24, 9.377908466984227e-46, -0.025208916504482926, -0.0742726237528828,
    0.0039905595396470695, 0.04798226466907749, 0.005318181685922742, 0.016981617858235497,
    0.08789326859045747, 0.028560459361991225, -0.26921003131432775, 0.07585496952490442,
    0.07690133383697467, 0.040753275360183853, -0.06040948796121114, 0.008134678451955344,
    0.00023922188069634348, 0.011282312268375602,
};

/* 4 x 5 */
static const double golden_kl_divergence_prediction[20] = {
    0.24824, 0.220923, 0.188461, 0.208742, 0.133634, 0.071256, 0.440556, 0.16192, 0.150605,
    0.175664, 0.205691, 0.13775, 0.20775, 0.183309, 0.265499, 0.296902, 0.116089, 0.299758,
    0.104368, 0.182884,
};

/* 4 x 5 */
static const double golden_kl_divergence_target[20] = {
    0.097538, 0.24933, 0.175805, 0.243612, 0.233714, 0.210535, 0.050599, 0.227149, 0.235601,
    0.276115, 0.237454, 0.240317, 0.130088, 0.20073, 0.191412, 0.328507, 0.196172, 0.325828,
    0.046388, 0.103105,
};

/* 4 x 5 */
static const double golden_kl_divergence_gradient[20] = {
    -0.0982295359329681, -0.2821458155103814, -0.23321138060394458, -0.2917620795048433,
    -0.43722780130805033, -0.7386570955428314, -0.02871314883919411, -0.35071177124505926,
    -0.3910909332359484, -0.39295900127516165, -0.2886052379540184, -0.4361470054446461,
    -0.1565439229843562, -0.2737590625664861, -0.18023796699799247, -0.27661231652195,
    -0.42246035369414847, -0.271742538981445, -0.11111643415606316, -0.14094316615997027,
};

/* 6 x 3 */
static const double golden_hinge_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_hinge_target[18] = {
    1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 1.0,
    1.0,
};

/* 6 x 3 */
static const double golden_hinge_gradient[18] = {
    -0.05555555555555555, -0.05555555555555555, -0.05555555555555555, 0.05555555555555555,
    -0.05555555555555555, -0.05555555555555555, 0.05555555555555555, -0.0, 0.0, 0.0,
    0.05555555555555555, -0.05555555555555555, -0.05555555555555555, 0.05555555555555555, 0.0, 0.0,
    -0.05555555555555555, -0.05555555555555555,
};

/* 6 x 3 */
static const double golden_cosine_similarity_prediction[18] = {
    -1.7131, -1.604, -1.1359, 1.153, 0.2478, -1.5391, 1.5, 2.0816, -1.3762, -1.0451, 0.29, -40.0,
    1e-06, -0.8559, -1.4034, -2.0033, 0.4943, -0.3113,
};

/* 6 x 3 */
static const double golden_cosine_similarity_target[18] = {
    0.6402, 0.0675, 2.0857, 0.8747, 0.2478, 0.066, 0.5, -0.581, -0.48, 2.2829, -0.2838, 300.0, 0.0,
    1.0834, -1.6923, -3.4968, -0.406, 1.5374,
};

/* 6 x 3 */
static const double golden_cosine_similarity_gradient[18] = {
    0.007629272237102903, 0.02272121369431519, -0.043590574025057255, -0.054479630438344126,
    -0.017348857658352722, -0.04360604302719159, -0.02939391147601205, 0.03990035158771446,
    0.028313983905659305, 7.706944174528196e-05, -2.6240266213414092e-05, -2.203873769247161e-06,
    2.7033985773844633e-08, -0.07780518730833261, 0.04745151761239054, 0.012195301656537857,
    0.02337205177442533, -0.04136859176499806,
};

static const struct golden_loss golden_losses[22] = {
    {
        .name = "mean_squared_error", .loss = "mean_squared_error", .rows = 6, .columns = 3,
        .prediction = golden_mean_squared_error_prediction,
        .target = golden_mean_squared_error_target, .value = 6425.109166776111,
        .gradient = golden_mean_squared_error_gradient,
    },
    {
        .name = "mean_absolute_error", .loss = "mean_absolute_error", .rows = 6, .columns = 3,
        .prediction = golden_mean_absolute_error_prediction,
        .target = golden_mean_absolute_error_target, .value = 20.225616722222224,
        .gradient = golden_mean_absolute_error_gradient,
    },
    {
        .name = "huber_1", .loss = "huber", .rows = 6, .columns = 3,
        .prediction = golden_huber_1_prediction, .target = golden_huber_1_target, .delta = 1.0,
        .value = 19.81530764083336, .gradient = golden_huber_1_gradient,
    },
    {
        .name = "huber_05", .loss = "huber", .rows = 6, .columns = 3,
        .prediction = golden_huber_05_prediction, .target = golden_huber_05_target, .delta = 0.5,
        .value = 10.004300391666694, .gradient = golden_huber_05_gradient,
    },
    {
        .name = "log_cosh", .loss = "log_cosh", .rows = 6, .columns = 3,
        .prediction = golden_log_cosh_prediction, .target = golden_log_cosh_target,
        .value = 19.709107876005408, .gradient = golden_log_cosh_gradient,
    },
    {
        .name = "binary_crossentropy_logits", .loss = "binary_crossentropy", .rows = 5,
        .columns = 4, .prediction = golden_binary_crossentropy_logits_prediction,
        .target = golden_binary_crossentropy_logits_target, .from_logits = 1,
        .value = 14.379042849343083, .gradient = golden_binary_crossentropy_logits_gradient,
    },
    {
        .name = "binary_crossentropy_logits_smoothing", .loss = "binary_crossentropy", .rows = 5,
        .columns = 4, .prediction = golden_binary_crossentropy_logits_smoothing_prediction,
        .target = golden_binary_crossentropy_logits_smoothing_target, .from_logits = 1,
        .label_smoothing = 0.1, .value = 14.198907874343087,
        .gradient = golden_binary_crossentropy_logits_smoothing_gradient,
    },
    {
        .name = "binary_crossentropy_probabilities", .loss = "binary_crossentropy", .rows = 5,
        .columns = 4, .prediction = golden_binary_crossentropy_probabilities_prediction,
        .target = golden_binary_crossentropy_probabilities_target, .value = 1.6409741942330158,
        .gradient = golden_binary_crossentropy_probabilities_gradient,
    },
    {
        .name = "binary_crossentropy_probabilities_smoothing", .loss = "binary_crossentropy",
        .rows = 5, .columns = 4,
        .prediction = golden_binary_crossentropy_probabilities_smoothing_prediction,
        .target = golden_binary_crossentropy_probabilities_smoothing_target, .label_smoothing = 0.2,
        .value = 1.6104115739725149,
        .gradient = golden_binary_crossentropy_probabilities_smoothing_gradient,
    },
    {
        .name = "binary_crossentropy_class_weights", .loss = "binary_crossentropy", .rows = 5,
        .columns = 1, .prediction = golden_binary_crossentropy_class_weights_prediction,
        .target = golden_binary_crossentropy_class_weights_target,
        .class_weights = golden_binary_crossentropy_class_weights_class_weights, .from_logits = 1,
        .value = 0.6457086326597958, .gradient = golden_binary_crossentropy_class_weights_gradient,
    },
    {
        .name = "categorical_crossentropy", .loss = "categorical_crossentropy", .rows = 6,
        .columns = 5, .prediction = golden_categorical_prediction,
        .target = golden_categorical_target, .from_logits = 1, .value = 1.7095799868992163,
        .gradient = golden_categorical_gradient,
    },
    {
        .name = "categorical_crossentropy_soft", .loss = "categorical_crossentropy", .rows = 6,
        .columns = 5, .prediction = golden_categorical_soft_prediction,
        .target = golden_categorical_soft_target, .from_logits = 1, .value = 13.17383661793023,
        .gradient = golden_categorical_soft_gradient,
    },
    {
        .name = "categorical_crossentropy_smoothing", .loss = "categorical_crossentropy", .rows = 6,
        .columns = 5, .prediction = golden_categorical_smoothing_prediction,
        .target = golden_categorical_smoothing_target, .from_logits = 1, .label_smoothing = 0.1,
        .value = 2.900444653565883, .gradient = golden_categorical_smoothing_gradient,
    },
    {
        .name = "categorical_crossentropy_class_weights", .loss = "categorical_crossentropy",
        .rows = 6, .columns = 5, .prediction = golden_categorical_class_weights_prediction,
        .target = golden_categorical_class_weights_target,
        .class_weights = golden_categorical_class_weights_class_weights, .from_logits = 1,
        .value = 2.1080878042833864, .gradient = golden_categorical_class_weights_gradient,
    },
    {
        .name = "categorical_crossentropy_smoothing_class_weights",
        .loss = "categorical_crossentropy", .rows = 6, .columns = 5,
        .prediction = golden_categorical_smoothing_class_weights_prediction,
        .target = golden_categorical_smoothing_class_weights_target,
        .class_weights = golden_categorical_smoothing_class_weights_class_weights, .from_logits = 1,
        .label_smoothing = 0.1, .value = 2.4781238042833866,
        .gradient = golden_categorical_smoothing_class_weights_gradient,
    },
    {
        .name = "sparse_categorical_crossentropy", .loss = "sparse_categorical_crossentropy",
        .rows = 6, .columns = 5, .prediction = golden_sparse_categorical_prediction,
        .target = golden_sparse_categorical_target, .from_logits = 1, .sparse = 1,
        .value = 1.7095799868992163, .gradient = golden_sparse_categorical_gradient,
    },
    {
        .name = "sparse_categorical_crossentropy_class_weights",
        .loss = "sparse_categorical_crossentropy", .rows = 6, .columns = 5,
        .prediction = golden_sparse_categorical_class_weights_prediction,
        .target = golden_sparse_categorical_class_weights_target,
        .class_weights = golden_sparse_categorical_class_weights_class_weights, .from_logits = 1,
        .sparse = 1, .value = 2.1080878042833864,
        .gradient = golden_sparse_categorical_class_weights_gradient,
    },
    {
        .name = "sparse_categorical_crossentropy_smoothing",
        .loss = "sparse_categorical_crossentropy", .rows = 6, .columns = 5,
        .prediction = golden_sparse_categorical_smoothing_prediction,
        .target = golden_sparse_categorical_smoothing_target, .from_logits = 1, .sparse = 1,
        .label_smoothing = 0.1, .value = 2.9004446535658834,
        .gradient = golden_sparse_categorical_smoothing_gradient,
    },
    {
        .name = "sparse_categorical_crossentropy_divided_by_weights",
        .loss = "sparse_categorical_crossentropy", .rows = 6, .columns = 5,
        .prediction = golden_sparse_categorical_divided_by_weights_prediction,
        .target = golden_sparse_categorical_divided_by_weights_target,
        .class_weights = golden_sparse_categorical_divided_by_weights_class_weights,
        .from_logits = 1, .sparse = 1, .divides_by_weights = 1, .value = 1.744624389751768,
        .gradient = golden_sparse_categorical_divided_by_weights_gradient,
    },
    {
        .name = "kl_divergence", .loss = "kl_divergence", .rows = 4, .columns = 5,
        .prediction = golden_kl_divergence_prediction, .target = golden_kl_divergence_target,
        .value = 0.1625075365880579, .gradient = golden_kl_divergence_gradient,
    },
    {
        .name = "hinge", .loss = "hinge", .rows = 6, .columns = 3,
        .prediction = golden_hinge_prediction, .target = golden_hinge_target,
        .value = 3.3693554999999997, .gradient = golden_hinge_gradient,
    },
    {
        .name = "cosine_similarity", .loss = "cosine_similarity", .rows = 6, .columns = 3,
        .prediction = golden_cosine_similarity_prediction,
        .target = golden_cosine_similarity_target, .value = -0.03731865551521457,
        .gradient = golden_cosine_similarity_gradient,
    },
};

#define GOLDEN_LOSSES_COUNT 22

/* 1 x 5 */
static const double golden_binary_crossentropy_probabilities_edge_prediction[5] = {
    0.0, 1.0, 0.0, 1.0, 1e-09,
};

/* 1 x 5 */
static const double golden_binary_crossentropy_probabilities_edge_target[5] = {
    0.0, 1.0, 1.0, 0.0, 1.0,
};

/* 1 x 5 */
static const double golden_binary_crossentropy_probabilities_edge_gradient[5] = {
    0.0, 0.0, 0.0, 0.0, 0.0,
};

/* 4 x 4 */
static const double golden_categorical_probabilities_edge_prediction[16] = {
    0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 0.1, 0.2, 0.3, 0.4,
};

/* 4 x 4 */
static const double golden_categorical_probabilities_edge_target[16] = {
    0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0,
};

/* 4 x 4 */
static const double golden_categorical_probabilities_edge_gradient[16] = {
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.75, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, -0.375,
};

static const struct golden_loss golden_losses_at_the_edge[2] = {
    {
        .name = "binary_crossentropy_probabilities_edge", .loss = "binary_crossentropy", .rows = 1,
        .columns = 5, .prediction = golden_binary_crossentropy_probabilities_edge_prediction,
        .target = golden_binary_crossentropy_probabilities_edge_target, .value = 9.670857430680266,
        .gradient = golden_binary_crossentropy_probabilities_edge_gradient,
    },
    {
        .name = "categorical_crossentropy_probabilities_edge", .loss = "categorical_crossentropy",
        .rows = 4, .columns = 4, .prediction = golden_categorical_probabilities_edge_prediction,
        .target = golden_categorical_probabilities_edge_target, .value = 4.605170210988093,
        .gradient = golden_categorical_probabilities_edge_gradient,
    },
};

#define GOLDEN_LOSSES_AT_THE_EDGE_COUNT 2

#endif
