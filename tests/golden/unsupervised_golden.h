/* Learning without labels: values and gradients.
 * Source: PyTorch 2.13.0, f64.
 * Made by tests/golden/generate_unsupervised.py; do not edit.
 *
 * contrastive: rows z with labels y. nt_xent: Chen et al. 2020, equation 1, the mean over both
 * orders of all pairs; supervised: Khosla et al. 2020, equation 2 (L_out), the mean over all
 * rows, of which those without a partner count 0. divergence: sum over the code of KL(N(mean,
 * exp(log_variance)) || N(0, 1)), its mean over the rows. summed: the loss with sum_elements, a
 * sum over the elements, the mean over the rows.
 *
 * Compare with 1e-12 max(1, |golden|) in f64.
 */
/* clang-format off */
#ifndef UNSUPERVISED_GOLDEN_H
#define UNSUPERVISED_GOLDEN_H

struct golden_contrastive {
    const char *name;
    int rows, columns;
    double temperature;
    const double *z; /* rows x columns */
    const int *y;    /* rows */
    double value;
    const double *gradient;
};

struct golden_divergence {
    int rows, columns;
    const double *mean, *log_variance;
    double value;
    const double *mean_gradient, *log_variance_gradient;
};

struct golden_summed {
    const char *loss;
    int rows, columns;
    const double *prediction, *target;
    double value;
    const double *gradient;
};

/* 8 x 5 */
static const double golden_nt_xent_z[40] = {
    0.4412, -0.3309, 2.4308, -0.2521, 0.1096, 1.5825, -0.9092, -0.5916, 0.1876, -0.3299, -1.1928,
    -0.2049, -0.3588, 0.6035, -1.6648, -0.7002, 1.1514, 1.8573, -1.5112, 0.6448, -0.9806, -0.8569,
    -0.8719, -0.4225, 0.9964, 0.7124, 0.0591, -0.3633, 0.0033, -0.1059, 0.7931, -0.6316, -0.0062,
    -0.1011, -0.0523, 0.2492, 0.1977, 1.3348, -0.0869, 1.5615,
};

/* 8 */
static const int golden_nt_xent_y[8] = {
    0, 0, 3, 3, 7, 7, 2, 2,
};

/* 8 x 5 */
static const double golden_nt_xent_gradient[40] = {
    -0.16502520658234865, 0.11152646113230108, 0.036525825496775834, -0.04644411521954746,
    0.0841030024489052, -0.05135690859710808, 0.05321243623933841, -0.22384655160216568,
    -0.006657714869213027, 0.004624364154734311, 0.10579925868632165, -0.12639660834660793,
    -0.14303491943764018, 0.08960209672730302, 0.0030616913493081302, 0.13816952210609992,
    -0.049934742908968974, 0.03303768553615691, 0.004659622865927028, 0.154965711992498,
    -0.17045603401342702, -0.007875565239957109, 0.183589400057306, 0.007350602439648378,
    -0.010759264719961078, 0.18762978755791482, -0.003513039900530812, 0.45680943555777687,
    0.1323218768347624, -0.30276077192113715, -0.01233430992204735, 0.011180910492602236,
    -0.37272204520694147, 0.05011105093602782, -0.374752482517262, -0.19238104869705255,
    0.12996777058987635, 0.05010997022792757, -0.03216700886087377, -0.030378080205290255,
};

/* 6 x 4 */
static const double golden_nt_xent_cold_z[24] = {
    -0.3059, -0.4777, 0.1007, 0.3554, 0.2696, 1.292, 1.1393, 0.4944, -0.3363, -0.1006, 1.4134,
    0.2213, -1.3108, -0.6896, -0.5775, 1.1522, -0.1072, 2.2601, 0.6566, 0.1248, -0.4357, 0.9722,
    -0.2407, -0.8241,
};

/* 6 */
static const int golden_nt_xent_cold_y[6] = {
    1, 2, 3, 3, 2, 1,
};

/* 6 x 4 */
static const double golden_nt_xent_cold_gradient[24] = {
    2.3443410274279284, 0.08887002366361141, -2.2073493532418373, 2.7627102151540943,
    -0.3780571451833152, -0.5965069445374294, 0.7641625288161904, 0.004046944990887363,
    2.5546417534372394, 2.2239155590077204, 1.0118013794045757, -1.5690381506249746,
    0.8039370475369816, -0.8366290713000593, -1.3736963122730224, -0.2746470630053075,
    -0.30958463217973897, 0.12887705602922217, -0.36783479270600783, -0.6646008173922138,
    2.617043682694323, 1.6572577436400269, 0.6023287480854664, 0.39553393538738735,
};

/* 9 x 4 */
static const double golden_supervised_z[36] = {
    0.5681, 0.0128, 1.1891, -0.0736, -2.8597, 0.7894, -1.8777, 1.5388, 1.8214, -0.427, -1.1647,
    -1.3971, 0.8727, -0.2021, -0.5984, -0.2434, 2.0885, 0.3469, 0.7457, 0.7769, 1.0184, 1.0614,
    -0.7105, -0.2152, -0.7608, -0.7112, 1.1415, -0.5018, -0.0792, -0.6928, -0.5934, 0.7882, -0.4454,
    -0.4821, 0.4936, 0.5005,
};

/* 9 */
static const int golden_supervised_y[9] = {
    0, 1, 0, 2, 1, 0, 2, 2, 1,
};

/* 9 x 4 */
static const double golden_supervised_gradient[36] = {
    -0.4920039355244955, -0.3163183725203382, 0.30184140268864584, 1.023957893985636,
    0.07573015286538595, -0.21770187420319298, -0.27586352926011193, -0.08420169693694253,
    -0.1448515334255917, -0.2170333473189893, -0.4213780604495939, 0.22877366210684846,
    0.22143834048294522, 1.5644671698170316, 0.12460676334485937, -0.8113979559002478,
    0.17720445748963398, 0.06426444267501338, 0.31402857201376744, -0.806482109385672,
    -0.2285969864694904, -0.08533800346579057, -0.5282344733794619, 0.24130885426109888,
    -0.31009950169723555, 0.543448115450061, 0.46754097966420227, 0.7634942795334014,
    -1.4118815881703464, 1.0975477671078901, -0.1689500276890641, 0.6956421274277647,
    -0.5198702001630578, -0.850811153530416, 0.5532929341019572, -1.8278354376470853,
};

/* 7 x 3 */
static const double golden_supervised_lonely_z[21] = {
    0.7924, 0.1708, -1.7537, 0.6303, 0.4983, 1.0181, -0.8465, 2.5208, -1.2324, 0.727, 0.046,
    -0.4871, 0.8161, -0.2814, -2.3356, -1.1673, 0.4577, 2.238, -1.4813, -0.0169, 1.4507,
};

/* 7 */
static const int golden_supervised_lonely_y[7] = {
    0, 1, 0, 5, 1, 0, 9,
};

/* 7 x 3 */
static const double golden_supervised_lonely_gradient[21] = {
    0.10057637718102429, -0.23673053034911287, 0.02238874761624862, -0.7041028273423222,
    -0.053756444640491556, 0.46221672570299827, 0.058403021838510066, -0.017462799222896702,
    -0.07583445493944888, -0.11424060839739379, 0.06575085627507257, -0.16429559210891376,
    -0.22454347354759868, -0.017699859207194867, -0.07632693456982807, 0.126393145260705,
    -0.1730421598577245, 0.10131372432068868, 0.05883747428575303, 0.06773025876107848,
    0.06086757567556921,
};

static const struct golden_contrastive golden_contrastives[4] = {
    {
        .name = "nt_xent", .rows = 8, .columns = 5, .temperature = 0.5, .z = golden_nt_xent_z,
        .y = golden_nt_xent_y, .value = 2.6149785758245008, .gradient = golden_nt_xent_gradient,
    },
    {
        .name = "nt_xent_cold", .rows = 6, .columns = 4, .temperature = 0.07,
        .z = golden_nt_xent_cold_z, .y = golden_nt_xent_cold_y, .value = 10.11200342372364,
        .gradient = golden_nt_xent_cold_gradient,
    },
    {
        .name = "supervised", .rows = 9, .columns = 4, .temperature = 0.1, .z = golden_supervised_z,
        .y = golden_supervised_y, .value = 7.813103737098779,
        .gradient = golden_supervised_gradient,
    },
    {
        .name = "supervised_lonely", .rows = 7, .columns = 3, .temperature = 0.3,
        .z = golden_supervised_lonely_z, .y = golden_supervised_lonely_y,
        .value = 3.1183309141749453, .gradient = golden_supervised_lonely_gradient,
    },
};

#define GOLDEN_CONTRASTIVES_COUNT 4

/* 5 x 3 */
static const double golden_kl_mean[15] = {
    0.6069, -0.3756, -1.4219, -1.7812, -0.7479, -0.3684, -2.2491, -1.6937, 0.3036, -0.409, -0.7548,
    -0.4075, -0.8126, 0.9275, 1.64,
};

/* 5 x 3 */
static const double golden_kl_log_variance[15] = {
    2.0736, 0.7098, 0.7472, 1.4631, 1.7384, 1.4652, 1.2123, -0.6347, -1.5997, 0.8772, -0.0938,
    -0.0557, -0.8894, -1.301, 1.4022,
};

/* 5 x 3 */
static const double golden_kl_mean_gradient[15] = {
    0.12138, -0.07512, -0.28438, -0.35624, -0.14958000000000002, -0.07368000000000001, -0.44982,
    -0.33874000000000004, 0.060719999999999996, -0.0818, -0.15096, -0.0815, -0.16252, 0.1855, 0.328,
};

/* 5 x 3 */
static const double golden_kl_log_variance_gradient[15] = {
    0.6953403895606475, 0.10335845010721345, 0.1111080707466246, 0.3319328714414997,
    0.46882349619074654, 0.3328408835505468, 0.23612065440210123, -0.04699055071864545,
    -0.07980429039636942, 0.14041586291515834, -0.008953516299991587, -0.00541771598153204,
    -0.05890977798631818, -0.07277406025385356, 0.306413122755624,
};

static const struct golden_divergence golden_divergences[1] = {
    {
        .rows = 5, .columns = 3, .mean = golden_kl_mean, .log_variance = golden_kl_log_variance,
        .value = 3.695176665033452, .mean_gradient = golden_kl_mean_gradient,
        .log_variance_gradient = golden_kl_log_variance_gradient,
    },
};

#define GOLDEN_DIVERGENCES_COUNT 1

/* 4 x 3 */
static const double golden_summed_mean_squared_error_prediction[12] = {
    0.4651, -1.065, 0.3904, 0.3056, 0.5218, 2.2333, -0.0347, -1.2796, 0.0365, -0.6464, 0.5486,
    0.2105,
};

/* 4 x 3 */
static const double golden_summed_mean_squared_error_target[12] = {
    0.761, 0.143, 0.812, 0.192, 0.155, 0.407, 0.0, 0.846, 0.161, 0.739, 0.583, 0.77,
};

/* 4 x 3 */
static const double golden_summed_mean_squared_error_gradient[12] = {
    -0.14795, -0.604, -0.21080000000000002, 0.05679999999999999, 0.1834, 0.9131499999999999,
    -0.01735, -1.0628, -0.06225, -0.6927, -0.017199999999999993, -0.27975,
};

/* 4 x 3 */
static const double golden_summed_mean_absolute_error_prediction[12] = {
    0.3465, 0.4677, 0.1013, -0.0594, -2.3867, 1.2222, -0.8139, 0.9563, -0.6385, -0.1431, -0.2242,
    -1.0385,
};

/* 4 x 3 */
static const double golden_summed_mean_absolute_error_target[12] = {
    0.203, 0.842, 0.372, 0.219, 0.846, 0.575, 0.634, 0.889, 0.714, 0.265, 0.01, 0.549,
};

/* 4 x 3 */
static const double golden_summed_mean_absolute_error_gradient[12] = {
    0.25, -0.25, -0.25, -0.25, -0.25, 0.25, -0.25, 0.25, -0.25, -0.25, -0.25, -0.25,
};

/* 4 x 3 */
static const double golden_summed_huber_prediction[12] = {
    -0.1717, 0.9101, 0.6178, 0.4996, -1.1515, -0.6105, -1.7039, 0.1944, 0.0282, 0.9326, 0.212,
    -0.3679,
};

/* 4 x 3 */
static const double golden_summed_huber_target[12] = {
    0.306, 0.35, 0.777, 0.178, 0.138, 0.213, 0.669, 0.371, 0.207, 0.331, 0.082, 0.437,
};

/* 4 x 3 */
static const double golden_summed_huber_gradient[12] = {
    -0.119425, 0.140025, -0.0398, 0.0804, -0.25, -0.205875, -0.25, -0.04415, -0.0447,
    0.15039999999999998, 0.0325, -0.201225,
};

/* 4 x 3 */
static const double golden_summed_log_cosh_prediction[12] = {
    2.1115, -0.2326, 1.3352, -0.4465, -0.0498, -0.3685, -0.1917, 0.8197, 0.5316, -0.3416, -0.9309,
    -0.1342,
};

/* 4 x 3 */
static const double golden_summed_log_cosh_target[12] = {
    0.926, 0.961, 0.007, 0.433, 0.583, 0.349, 0.376, 0.356, 0.231, 0.026, 0.731, 0.999,
};

/* 4 x 3 */
static const double golden_summed_log_cosh_gradient[12] = {
    0.20729450445590805, -0.20792300868614208, 0.21720217853410945, -0.17654218651023712,
    -0.13999430506234084, -0.15383958921138852, -0.128417036342967, 0.10827375213985323,
    0.07296539965171348, -0.0879726689575238, -0.2326181633732749, -0.20302790406177776,
};

/* 4 x 3 */
static const double golden_summed_binary_crossentropy_prediction[12] = {
    0.8326, -0.3757, 0.0346, 0.0451, -0.7637, -0.3131, -0.607, -1.8096, -0.2555, -0.6938, 0.4192,
    -0.1452,
};

/* 4 x 3 */
static const double golden_summed_binary_crossentropy_target[12] = {
    0.786, 0.721, 0.653, 0.767, 0.812, 0.462, 0.485, 0.097, 0.371, 0.886, 0.22, 0.749,
};

/* 4 x 3 */
static const double golden_summed_binary_crossentropy_gradient[12] = {
    -0.02227389866937385, -0.07845889450425278, -0.036087715712384144, -0.06393172768331293,
    -0.12353912606328289, -0.009910438763930773, -0.033064039544147245, 0.010921619075239815,
    0.016367556962427657, -0.13820293046642956, 0.09582295026298568, -0.07130908949434099,
};

/* 4 x 3 */
static const double golden_summed_hinge_prediction[12] = {
    0.9638, -0.5405, 0.5462, 0.7119, 1.1972, -0.0701, 0.2982, 0.6262, 0.4674, -1.3026, -0.5701,
    1.443,
};

/* 4 x 3 */
static const double golden_summed_hinge_target[12] = {
    0.257, 0.858, 0.295, 0.764, 0.321, 0.504, 0.874, 0.485, 0.624, 0.343, 0.469, 0.061,
};

/* 4 x 3 */
static const double golden_summed_hinge_gradient[12] = {
    -0.25, -0.25, -0.25, -0.25, -0.0, -0.25, -0.25, -0.25, -0.25, -0.25, -0.25, -0.0,
};

static const struct golden_summed golden_summeds[6] = {
    {
        .loss = "mean_squared_error", .rows = 4, .columns = 3,
        .prediction = golden_summed_mean_squared_error_prediction,
        .target = golden_summed_mean_squared_error_target, .value = 2.9939556824999998,
        .gradient = golden_summed_mean_squared_error_gradient,
    },
    {
        .loss = "mean_absolute_error", .rows = 4, .columns = 3,
        .prediction = golden_summed_mean_absolute_error_prediction,
        .target = golden_summed_mean_absolute_error_target, .value = 2.511075,
        .gradient = golden_summed_mean_absolute_error_gradient,
    },
    {
        .loss = "huber", .rows = 4, .columns = 3, .prediction = golden_summed_huber_prediction,
        .target = golden_summed_huber_target, .value = 0.9704345399999998,
        .gradient = golden_summed_huber_gradient,
    },
    {
        .loss = "log_cosh", .rows = 4, .columns = 3,
        .prediction = golden_summed_log_cosh_prediction, .target = golden_summed_log_cosh_target,
        .value = 1.1386737811085517, .gradient = golden_summed_log_cosh_gradient,
    },
    {
        .loss = "binary_crossentropy", .rows = 4, .columns = 3,
        .prediction = golden_summed_binary_crossentropy_prediction,
        .target = golden_summed_binary_crossentropy_target, .value = 2.176886074209741,
        .gradient = golden_summed_binary_crossentropy_gradient,
    },
    {
        .loss = "hinge", .rows = 4, .columns = 3, .prediction = golden_summed_hinge_prediction,
        .target = golden_summed_hinge_target, .value = 2.2173999999999996,
        .gradient = golden_summed_hinge_gradient,
    },
};

#define GOLDEN_SUMMEDS_COUNT 6

#endif
