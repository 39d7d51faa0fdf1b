# Every tests/**/NAME_test.c is one program of cmocka tests.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# What the tests share: the includes in cmocka's order, a context that counts its allocations.
file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
add_library(test_support STATIC ${support_sources})
target_link_libraries(test_support PUBLIC fathom_static PkgConfig::CMOCKA)
target_include_directories(test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.c)
foreach(source IN LISTS test_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE test_support)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endforeach()
