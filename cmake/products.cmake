# What a user gets: the program build/keyward and the library build/libkeyward.{so,a}; `make install`.
include(GNUInstallDirs)
set(KW_EXPORTS ${CMAKE_SOURCE_DIR}/cmake/exports.map)

# kw_folders_under(OUT NAME): NAME and every folder that it sees, directly or not.
function(kw_folders_under out name)
  set(found ${name})
  get_property(uses GLOBAL PROPERTY KW_LAYER_${name})
  list(REMOVE_ITEM uses ${name})
  foreach(folder IN LISTS uses)
    kw_folders_under(below ${folder})
    list(APPEND found ${below})
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# kw_static_library(TARGET FILE NAME): FILE holds the folders from NAME downwards as one object, in
# which all symbols are local but those that exports.map lists. So a program that links with it can
# have a kw_json of its own, and cannot come to rely on ours.
function(kw_static_library target file name)
  file(STRINGS ${KW_EXPORTS} exported REGEX "^ *kw_[a-z0-9_]+;")
  list(TRANSFORM exported REPLACE "^ *([a-z0-9_]+);.*" "\\1")
  list(JOIN exported "\n" exported)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/exports.txt CONTENT "${exported}\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${KW_EXPORTS})
  kw_folders_under(folders ${name})
  foreach(folder IN LISTS folders)
    if(TARGET kw_${folder})
      list(APPEND objects $<TARGET_OBJECTS:kw_${folder}>)
    endif()
  endforeach()
  set(whole ${CMAKE_BINARY_DIR}/${target}.o)
  add_custom_command(
    OUTPUT ${file}
    COMMAND ${CMAKE_LINKER} -r -o ${whole} ${objects}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${CMAKE_BINARY_DIR}/exports.txt ${whole}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${file}
    COMMAND ${CMAKE_AR} rcs ${file} ${whole}
    DEPENDS ${objects} ${CMAKE_BINARY_DIR}/exports.txt
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(${target} ALL DEPENDS ${file})
endfunction()

if(EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.c)
  add_executable(keyward $<TARGET_OBJECTS:kw_cli>)
  target_link_libraries(keyward PRIVATE kw_flags kw_cli)
  install(TARGETS keyward RUNTIME)
endif()

if(TARGET kw_client AND EXISTS ${KW_EXPORTS})
  add_library(keyward_shared SHARED $<TARGET_OBJECTS:kw_client>)
  target_link_libraries(keyward_shared PRIVATE kw_flags kw_client -Wl,--version-script=${KW_EXPORTS})
  set_target_properties(keyward_shared PROPERTIES OUTPUT_NAME keyward SOVERSION 0
                        VERSION ${PROJECT_VERSION} LINK_DEPENDS ${KW_EXPORTS})
  set(KW_ARCHIVE ${CMAKE_BINARY_DIR}/libkeyward.a)
  kw_static_library(keyward_static ${KW_ARCHIVE} client)
  file(RELATIVE_PATH KW_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # wherever it is installed
  configure_file(${CMAKE_SOURCE_DIR}/cmake/keyward.pc.in ${CMAKE_BINARY_DIR}/keyward.pc @ONLY)

  install(TARGETS keyward_shared LIBRARY)
  install(FILES ${KW_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${CMAKE_BINARY_DIR}/keyward.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN "*.h")
endif()
