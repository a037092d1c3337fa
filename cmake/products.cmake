# What a user gets: the program build/keyward and the library build/libkeyward.{so,a}.
if(EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.c)
  add_executable(keyward $<TARGET_OBJECTS:kw_cli>)
  target_link_libraries(keyward PRIVATE kw_flags kw_cli)
endif()
if(TARGET kw_client)
  add_library(keyward_shared SHARED $<TARGET_OBJECTS:kw_client>)
  target_link_libraries(keyward_shared PRIVATE kw_flags kw_client
                        -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/exports.map)
  set_target_properties(keyward_shared PROPERTIES OUTPUT_NAME keyward SOVERSION 0
                        VERSION ${PROJECT_VERSION} LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/exports.map)
endif()
