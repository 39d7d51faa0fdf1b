# What the distribution offers: found here, linked by name elsewhere.
find_package(Threads REQUIRED)
find_package(PkgConfig)

add_library(fathom_libraries INTERFACE)
target_link_libraries(fathom_libraries INTERFACE m Threads::Threads)

if(FATHOM_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS C)
  target_link_libraries(fathom_libraries INTERFACE OpenMP::OpenMP_C)
endif()
if(FATHOM_ONEDNN)
  # Not find_package(dnnl): Debian's package asks for OpenCL's headers, which nothing here needs.
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h REQUIRED)
  target_link_libraries(fathom_libraries INTERFACE ${DNNL_LIBRARY})
  target_include_directories(fathom_libraries SYSTEM INTERFACE ${DNNL_INCLUDE})
endif()
if(FATHOM_FILES)
  pkg_check_modules(FATHOM_FILE_LIBRARIES REQUIRED IMPORTED_TARGET yaml-0.1 jansson zlib liblzma)
  # Its headers alone: data/file/curl_library.c loads it when something is downloaded.
  pkg_check_modules(FATHOM_CURL REQUIRED libcurl)
  target_include_directories(fathom_libraries SYSTEM INTERFACE ${FATHOM_CURL_INCLUDE_DIRS})
  target_link_libraries(fathom_libraries INTERFACE PkgConfig::FATHOM_FILE_LIBRARIES
                                                   ${CMAKE_DL_LIBS})
endif()
if(FATHOM_IMAGES)
  pkg_check_modules(FATHOM_IMAGE_LIBRARIES REQUIRED IMPORTED_TARGET libpng libjpeg)
  target_link_libraries(fathom_libraries INTERFACE PkgConfig::FATHOM_IMAGE_LIBRARIES)
endif()
if(FATHOM_AUDIO)
  pkg_check_modules(FATHOM_AUDIO_LIBRARIES REQUIRED IMPORTED_TARGET sndfile libmpg123 samplerate
                    kissfft-float)
  target_link_libraries(fathom_libraries INTERFACE PkgConfig::FATHOM_AUDIO_LIBRARIES)
endif()
