# Every tests/FOLDER/**/NAME_test.c is one program of cmocka tests, labelled with its folder.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Everything runs in the release and the asan build; in the release build also under valgrind, as
# NAME.valgrind, but for those that start programs (cli, recipes, some more) or repeat much work. Folders
# with threads run in the tsan build, too (label `threads`), which makes nothing else.
set(thread_folders backend data io run train)
add_custom_target(thread_tests)
set(without_valgrind convolution_test rounded_convolution_test make_again_test moments_kernels_test
    network_fuzz_test winograd_test examples_test explain_test parity_test resume_test
    private_training_test zoo_backends_test zoo_parity_test)

# Valgrind takes what libjpeg-turbo's vectorised encoder leaves unused for undefined: JSIMD_FORCENONE.

# What the tests share: the includes in cmocka's order, a context that counts its allocations.
file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
add_library(test_support STATIC ${support_sources})
target_link_libraries(test_support PUBLIC fathom_static PkgConfig::CMOCKA)
target_include_directories(test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)
# Each program holds the whole library: at fixed addresses and by gold they are linked in half the time.
include(CheckLinkerFlag)
check_linker_flag(C -fuse-ld=gold FATHOM_GOLD)
target_link_options(test_support PUBLIC -no-pie $<$<BOOL:${FATHOM_GOLD}>:-fuse-ld=gold>)

# OpenMP keeps its threads: what is only possibly lost is theirs.
set(valgrind_options --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
    --show-leak-kinds=definite --child-silent-after-fork=yes)
string(REGEX MATCH "-fsanitize=[a-z,]*" sanitized "${CMAKE_C_FLAGS}")
if(NOT sanitized)
  find_program(VALGRIND valgrind)
endif()

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.c)
foreach(source IN LISTS test_sources)
  get_filename_component(name ${source} NAME_WE)
  file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR}/tests ${source})
  string(REGEX REPLACE "/.*" "" folder ${path})
  if((name MATCHES "^image_" AND NOT FATHOM_IMAGES) OR (name MATCHES "^audio_" AND NOT FATHOM_AUDIO) OR
     (name MATCHES "^onednn_" AND NOT FATHOM_ONEDNN))
    continue()
  endif()
  if(folder MATCHES "^(cli|recipes)$" AND NOT FATHOM_PROGRAM)
    continue()
  endif()
  add_executable(${name} ${source})
  if(folder MATCHES "^(cli|recipes)$")
    add_dependencies(${name} fathom) # which they run
  endif()
  target_link_libraries(${name} PRIVATE test_support)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(labels ${folder})
  if(folder IN_LIST thread_folders)
    list(APPEND labels threads)
    add_dependencies(thread_tests ${name})
  endif()
  # Tests run side by side, so their threads must not wait by looking (src/cli/brief_waiting.c).
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" ENVIRONMENT GOMP_SPINCOUNT=1000)
  if(VALGRIND AND NOT name IN_LIST without_valgrind AND NOT folder MATCHES "^(cli|recipes)$")
    add_test(NAME ${name}.valgrind WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
             COMMAND ${VALGRIND} ${valgrind_options} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.valgrind PROPERTIES LABELS valgrind
                         ENVIRONMENT
                         "FATHOM_TEST_LESS=1;OMP_WAIT_POLICY=PASSIVE;JSIMD_FORCENONE=1")
  endif()
endforeach()

# Begun last, one of these would go on alone while the other processors wait.
foreach(long shipped_recipes_test universal_test.valgrind attention_kernels_test.valgrind
        embedding_test.valgrind privacy_accountant_test.valgrind recurrent_kernels_test.valgrind
        bucketed_training_test.valgrind kernels_test.valgrind zoo_backends_test zoo_parity_test
        private_training_test training_test examples_test parity_test plan_fuzz_test)
  if(TEST ${long})
    set_tests_properties(${long} PROPERTIES COST 10)
  endif()
endforeach()

# For tests/parity/compare_zoo.py: made by name, no test.
if(FATHOM_FILES)
  add_executable(zoo_gradients EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/parity/zoo_gradients.c)
  target_link_libraries(zoo_gradients PRIVATE test_support)
  set_target_properties(zoo_gradients PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endif()

if(VALGRIND AND TARGET fathom)
  add_test(NAME train.valgrind WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
           COMMAND ${VALGRIND} ${valgrind_options} $<TARGET_FILE:fathom> train recipes/spirals.yaml
                   --epochs 1 --quiet --out ${PROJECT_BINARY_DIR}/tests/spirals.safetensors)
  set_tests_properties(train.valgrind PROPERTIES LABELS valgrind ENVIRONMENT OMP_WAIT_POLICY=PASSIVE)
endif()

# Instructions of small pieces of work, each held against tests/guard/instructions.txt; skipped where
# that has no row for this compiler, build, C library and instruction set.
if(VALGRIND AND TARGET fathom)
  set(counted_source ${PROJECT_SOURCE_DIR}/tests/guard/counted_steps.c)
  set(counted_build ${CMAKE_BUILD_TYPE})
  foreach(feature ONEDNN OPENMP FAST FILES IMAGES AUDIO)
    if(NOT FATHOM_${feature})
      string(APPEND counted_build -without-${feature})
    endif()
  endforeach()
  add_executable(counted_steps ${counted_source})
  target_link_libraries(counted_steps PRIVATE fathom_static)
  target_compile_definitions(counted_steps PRIVATE COUNTED_BUILD="${counted_build}")
  set_target_properties(counted_steps PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

  # Rows of its table: {"mlp_step", ...
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${counted_source})
  file(STRINGS ${counted_source} counted_rows REGEX "^    \\{\"[a-z_]+\", ")
  foreach(row IN LISTS counted_rows ITEMS "{\"predict_start\", ")
    string(REGEX REPLACE "^[^\"]*\"([a-z_]+)\".*" "\\1" workload "${row}")
    add_test(NAME instructions_${workload} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
             COMMAND bash tests/guard/instruction_check.sh ${workload} ${PROJECT_BINARY_DIR})
    list(APPEND counted_tests instructions_${workload})
  endforeach()
  add_test(NAME instructions_guard COMMAND bash tests/guard/guard_check.sh ${PROJECT_BINARY_DIR}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${counted_tests} instructions_guard PROPERTIES LABELS guard SKIP_RETURN_CODE 77)
endif()

# The source tree, the finished library, and the installed package, checked once.
if(NOT sanitized)
  foreach(check layers sizes symbols)
    add_test(NAME check_${check} COMMAND bash scripts/check_${check}.sh ${PROJECT_BINARY_DIR}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(check_${check} PROPERTIES LABELS tree)
  endforeach()
  add_test(NAME check_performance COMMAND bash scripts/check_performance.sh
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  add_test(NAME check_counting COMMAND bash tests/scripts/counting_check.sh
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  add_test(NAME check_performance_page COMMAND bash tests/scripts/performance_check.sh
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(check_performance check_counting check_performance_page PROPERTIES LABELS tree)

  foreach(what install find_package pkg_config static c_headers cxx_headers cxx_program)
    add_test(NAME consumer_${what} COMMAND bash tests/consumer/consumer_check.sh ${what}
             ${PROJECT_BINARY_DIR} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(consumer_${what} PROPERTIES LABELS consumer SKIP_RETURN_CODE 77
                         FIXTURES_REQUIRED installed)
  endforeach()
  set_tests_properties(consumer_install PROPERTIES FIXTURES_REQUIRED "" FIXTURES_SETUP installed)
endif()
