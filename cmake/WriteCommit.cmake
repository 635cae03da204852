# cmake -DSOURCE=... -DOUTPUT=... -P WriteCommit.cmake
# Writes the one file that knows the commit; leaves it alone while the commit is the same, so that
# nothing is built again. "unknown" where SOURCE is not the top of a git working tree.
cmake_minimum_required(VERSION 3.25)
set(commit unknown)
find_program(GIT git)
if(GIT)
  # Not empty: an unpacked archive within somebody else's repository.
  execute_process(COMMAND ${GIT} rev-parse --show-prefix WORKING_DIRECTORY ${SOURCE}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE prefix ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed AND prefix STREQUAL "")
    execute_process(COMMAND ${GIT} describe --always --dirty --abbrev=12 --exclude=*
                    WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE failed OUTPUT_VARIABLE described
                    ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed AND described)
      set(commit ${described})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT
"// Written by cmake/WriteCommit.cmake.
extern \"C\" const char* pm_commit();
extern \"C\" const char* pm_commit() { return \"@commit@\"; }
")
