# Every tests/fuzz/NAME_fuzz.c defines LLVMFuzzerTestOneInput. With FATHOM_FUZZ (clang) it is a
# libFuzzer program; in every other build it is a test that replays tests/fuzz/seeds/NAME, where
# inputs that once broke something are kept as well.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" target ${name})
  if((name MATCHES "^image_" AND NOT FATHOM_IMAGES) OR (name MATCHES "^audio_" AND NOT FATHOM_AUDIO))
    continue()
  endif()
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE fathom_static)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  if(FATHOM_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME ${name} COMMAND ${name} tests/fuzz/seeds/${target}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES LABELS fuzz)
  endif()
endforeach()
