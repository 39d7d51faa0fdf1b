# libfathom, static (the program and the tests use its inside) and shared (users).
# A folder is a layer; every .c file of a layer belongs to it.
set(layers base ir op backend backend/portable pass run nn nn/zoo data data/augment data/series data/text
    train train/embedding train/privacy train/tune)
if(FATHOM_FAST)
  list(APPEND layers backend/cpu)
endif()
if(FATHOM_ONEDNN)
  list(APPEND layers backend/onednn)
endif()
if(FATHOM_FILES)
  list(APPEND layers io data/file data/image train/file train/recipe train/tune/file)
endif()
if(FATHOM_IMAGES)
  list(APPEND layers data/codec)
endif()
if(FATHOM_AUDIO)
  list(APPEND layers data/audio)
endif()
set(sources)
foreach(layer IN LISTS layers)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.c)
  list(APPEND sources ${found})
endforeach()
if(NOT FATHOM_FILES) # of io what wants no library
  list(APPEND sources ${PROJECT_SOURCE_DIR}/src/io/timeline_file.c)
endif()

add_library(fathom_objects OBJECT ${sources})
target_link_libraries(fathom_objects PUBLIC fathom_options fathom_libraries)
foreach(feature ONEDNN OPENMP FAST FILES IMAGES AUDIO)
  if(FATHOM_${feature})
    target_compile_definitions(fathom_options INTERFACE FATHOM_HAVE_${feature}=1)
  endif()
endforeach()

# The textbook's loops with the most work: vectorised, the networks of the zoo run on them. Normalising
# is a small part of theirs where the cpu backend does most, and vectorised it takes 70 KB.
set(textbook convolve pool)
if(NOT FATHOM_FAST)
  list(APPEND textbook normalize)
endif()
list(TRANSFORM textbook REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/op/\\1.c")
set_source_files_properties(${textbook} PROPERTIES
                            COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>")

# What describes models, compiles graphs and reads recipes and files does little and is large: small
# code. So are the textbook's kernels where the cpu backend has each of them.
set(small ${sources})
list(FILTER small INCLUDE REGEX "/src/(\
(ir|pass|run|nn|io|train|data/file|data/image|data/series|data/text)/|\
base/fields|data/dataset|data/transform_fit|data/augment/augment_|data/audio/audio_|\
data/audio/[a-z_]+_(check|codec|fields|pattern|sets)|op/window_rules|\
backend/onednn/onednn_weights)")
if(FATHOM_FAST)
  foreach(name attention attention_parts binary chain cross_entropy fused_loss fused_ops matmul normalize optimizer_ops
          recurrent_gru
          recurrent_lstm recurrent_simple recurrent_unrolled reduce softmax unary)
    list(APPEND small ${PROJECT_SOURCE_DIR}/src/op/${name}.c)
  endforeach()
endif()
set_source_files_properties(${small} PROPERTIES
                            COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-Os>")

# Distances and sums over all pairs of samples.
set_source_files_properties(
  ${PROJECT_SOURCE_DIR}/src/train/embedding/point_rows.c ${PROJECT_SOURCE_DIR}/src/train/embedding/pca.c
  ${PROJECT_SOURCE_DIR}/src/train/embedding/tsne.c
  PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>")

# Looks at each label of an epoch, of autoencoders as many as there are inputs.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/train/label_range.c PROPERTIES
                            COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>")

# A recurrent kernel is packed anew, and rounded, in each step of a training.
if(FATHOM_FAST)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/backend/cpu/recurrent_panels.c
                              PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>")
endif()

# Its loops over results are vectorised as those of backend/cpu/vector are, see there.
if(FATHOM_ONEDNN)
  set_source_files_properties(
    ${PROJECT_SOURCE_DIR}/src/backend/onednn/onednn_backend.c
    ${PROJECT_SOURCE_DIR}/src/backend/onednn/onednn_tools.c
    ${PROJECT_SOURCE_DIR}/src/backend/onednn/onednn_convolution.c
    PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-O3>;-fno-trapping-math")
endif()

# Files of backend/cpu/vector are compiled once for each instruction set; FM_ISA names it.
if(FATHOM_FAST)
  set(isas baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    list(APPEND isas avx2 avx512)
    set(flags_avx2 -mavx2 -mfma)
    set(flags_avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl
        -mprefer-vector-width=512)
    target_compile_definitions(fathom_objects PRIVATE FATHOM_HAVE_X86_ISAS=1)
  endif()
  # It describes products and runs none of their loops.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/products.c
                              PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CONFIG:Debug>>:-Os>")
  # Tiles are many, and each has one loop, which versions of it would not make faster.
  set_source_files_properties(
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/gemm_bf16.c
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/gemm_f32.c
    PROPERTIES COMPILE_OPTIONS
      "$<$<C_COMPILER_ID:GNU>:-fno-version-loops-for-strides;-fno-unswitch-loops;-fno-split-loops>")
  # Loops over elements, two for each op: what is left behind the vectors is few, and needs no code of
  # its own for each number.
  set_source_files_properties(
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/binary_f32.c
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/reductions_f32.c
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/unary_f32.c
    ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/updates_f32.c
    PROPERTIES COMPILE_OPTIONS "$<$<C_COMPILER_ID:GNU>:--param=max-completely-peeled-insns=40>")
  file(GLOB vector_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/*.c)
  foreach(isa IN LISTS isas)
    add_library(fathom_${isa} OBJECT ${vector_sources})
    target_link_libraries(fathom_${isa} PRIVATE fathom_options fathom_libraries)
    target_compile_definitions(fathom_${isa} PRIVATE FM_ISA=${isa})
    # The compiler vectorises most of them: -O3 does it wherever it can, and without trapping
    # comparisons a condition becomes a selection. Neither changes a result. Kernels call nothing that
    # could throw through them, so only debuggers unwind them, who have tables of their own.
    # Without either of the two an x86 processor is older than 2013: there small code will do.
    if(isa STREQUAL baseline AND isas MATCHES avx2)
      set(speed -Os)
    else()
      set(speed -O3)
    endif()
    target_compile_options(fathom_${isa} PRIVATE $<$<NOT:$<CONFIG:Debug>>:${speed}> -fno-trapping-math
                           -fno-asynchronous-unwind-tables ${flags_${isa}})
    list(APPEND vector_objects $<TARGET_OBJECTS:fathom_${isa}>)
  endforeach()
  # Products of bf16 once more, for processors with instructions for them.
  if(avx512 IN_LIST isas)
    add_library(fathom_avx512_bf16 OBJECT
                ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/gemm_bf16.c
                ${PROJECT_SOURCE_DIR}/src/backend/cpu/vector/recurrent_product.c)
    target_link_libraries(fathom_avx512_bf16 PRIVATE fathom_options)
    target_compile_definitions(fathom_avx512_bf16 PRIVATE FM_ISA=avx512 FM_NATIVE_BF16=1)
    target_compile_options(fathom_avx512_bf16 PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>
                           -fno-trapping-math -fno-asynchronous-unwind-tables ${flags_avx512}
                           -mavx512bf16)
    list(APPEND vector_objects $<TARGET_OBJECTS:fathom_avx512_bf16>)
  endif()
endif()

# The addresses of tables, nine thousand of them, as a bitmap instead of records: a C library of 2022
# or later can load that.
include(CheckCSourceRuns)
set(CMAKE_REQUIRED_FLAGS -fPIE)
set(CMAKE_REQUIRED_LINK_OPTIONS -pie LINKER:-z,pack-relative-relocs)
check_c_source_runs("static const char *const names[2] = {\"a\", \"b\"};
  int main(int count, char **words) { (void)words; return names[count == 2][0] != 'a'; }"
  FATHOM_PACKED_RELOCATIONS)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

add_library(fathom_static STATIC $<TARGET_OBJECTS:fathom_objects> ${vector_objects})
set_target_properties(fathom_static PROPERTIES OUTPUT_NAME fathom)
target_link_libraries(fathom_static PUBLIC fathom_options fathom_libraries)

add_library(fathom_shared SHARED $<TARGET_OBJECTS:fathom_objects> ${vector_objects})
set_target_properties(fathom_shared PROPERTIES OUTPUT_NAME fathom EXPORT_NAME fathom
                      VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(fathom_shared PRIVATE fathom_options fathom_libraries)
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize") # whose run time is in the program
  target_link_options(fathom_shared PRIVATE -Wl,--no-undefined)
endif()
# Its own functions are called straight, not through a table in which a program could replace them.
target_link_options(fathom_shared PRIVATE LINKER:-Bsymbolic-functions)
if(FATHOM_PACKED_RELOCATIONS)
  target_link_options(fathom_shared PRIVATE LINKER:-z,pack-relative-relocs)
endif()
target_include_directories(fathom_shared INTERFACE
                           $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
