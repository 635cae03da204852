# pm_commit: the commit of this build, as one object of a few lines. The programs link it, tests do
# not: a new commit compiles that file and links four programs, and nothing else.
set(pm_commit_file ${CMAKE_BINARY_DIR}/commit/commit.cc)
add_custom_target(pm_commit_text
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${pm_commit_file}
          -P ${CMAKE_SOURCE_DIR}/cmake/WriteCommit.cmake
  BYPRODUCTS ${pm_commit_file} COMMENT "Reading the commit" VERBATIM)
add_library(pm_commit OBJECT ${pm_commit_file})
add_dependencies(pm_commit pm_commit_text)
