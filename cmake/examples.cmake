# Each examples/NAME.c is a program on the public headers and the shared library alone, as a user's
# would be. tests/examples runs them all.
file(GLOB example_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
foreach(source IN LISTS example_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(example_${name} ${source})
  target_link_libraries(example_${name} PRIVATE fathom_shared Threads::Threads)
  target_compile_options(example_${name} PRIVATE -Wall -Wextra)
  set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
  list(APPEND example_targets example_${name})
endforeach()
add_dependencies(examples_test ${example_targets})
target_compile_definitions(examples_test PRIVATE FATHOM_EXAMPLES="${PROJECT_BINARY_DIR}/examples")
